// The making of a tls::Stream from a finished handshake. For this layer's own files.
#pragma once

#include "net/timers.h"
#include "tls/record_channel.h"
#include "tls/stream.h"

#include <memory>

namespace sallyport::tls {

std::unique_ptr<Stream> make_stream(net::Timers& timers, std::unique_ptr<RecordChannel> channel);

}  // namespace sallyport::tls
