// The identity of every simulated server, and the trust of every simulated client in it: one certificate for
// *.sim.test. It is kept here and not made anew each time, and its key is of a kind whose signatures have one
// length (Ed25519), because the sizes of handshakes decide the course of a simulation.
#pragma once

#include "tls/credentials.h"

#include <memory>

namespace sallyport::sim {

std::shared_ptr<const tls::ServerCredentials> server_credentials();
std::shared_ptr<const tls::Trust> client_trust();

}  // namespace sallyport::sim
