// A hostile server or hop against the whole of our client, QUIC and HTTP/3: Retry, HelloRetryRequest, a
// handshake whose extensions and transport parameters are dropped, doubled, emptied, cut, lengthened and
// reordered, then frames of every type in every packet number space. The input is read by HandScript.
// Whatever comes in, the client ends each of its requests once, and itself.
#include "asking_client.h"
#include "hand_script.h"
#include "http/h3_for_test.h"
#include "quic/hand_peer_for_test.h"
#include "tls/session_cache.h"

#include <optional>

namespace {

using namespace sallyport;
using quic::fuzz::HandScript;
using quic::test::HandServer;
using quic::test::Level;
using quic::test::Octets;

/// What a client remembers of a visit to our own server.
const tls::SessionCache::Entry& remembered() {
  static const tls::SessionCache::Entry entry = [] {
    tls::SessionCache sessions;
    http::test::H3Pair pair;
    pair.client_options.sessions = &sessions;
    http::fuzz::require(pair.establish());
    pair.run_for(1s);
    const auto found = sessions.find(pair.client_options.origin);
    http::fuzz::require(found.has_value());
    return *found;
  }();
  return entry;
}

struct Scene : http::test::H3Pair {
  std::shared_ptr<quic::test::SecretCatcher> secrets = std::make_shared<quic::test::SecretCatcher>();
  tls::SessionCache sessions;
  std::optional<HandServer> hand;

  explicit Scene(std::uint8_t choices) {
    static const quic::test::HandCertificate certificate(*tls::make_self_signed({"server.test"}));
    environment.key_log = secrets;
    client_options.sessions = &sessions;
    if ((choices & 1) != 0) {
      sessions.store(client_options.origin, remembered());
      client_options.early_data = true;
    }
    if ((choices & 2) != 0) client_options.config.keep_alive = 10s;
    hand.emplace(link.client, *secrets, certificate);
    connect();
  }
};

/// Part of a first flight, in whatever order the script has it.
void say(HandScript& script, HandServer& hand) {
  using namespace quic::test;
  switch (script.below(6)) {
    case 0:
      hand.say(Level::initial, server_hello(hand.hello_extensions));
      break;
    case 1:
      hand.say(Level::initial, hello_retry_request());
      break;
    case 2:
      hand.say(Level::handshake, encrypted_extensions(hand.extensions));
      break;
    case 3:
      hand.finish();
      break;
    case 4:
      hand.say(script.level(), tls_message(static_cast<TlsMessage>(script.below(26)), script.bytes(64)));
      break;
    default:
      hand.answer();
  }
}

void step(HandScript& script, Scene& scene) {
  HandServer& hand = *scene.hand;
  const std::size_t choice = script.below(11);
  switch (choice) {
    case 4:
      say(script, hand);
      break;
    case 6:
      hand.retry();
      break;
    default:
      common_step(script, scene, hand, choice);
  }
}

}  // namespace

/// GnuTLS 3.7 loses some bytes of a client's session when a server's messages come twice.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libgnutls";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  HandScript script(data, size);
  const std::uint8_t choices = script.octet();
  http::fuzz::Asker asker;
  {
    Scene scene(choices);
    HandServer& hand = *scene.hand;
    for (std::uint8_t kind = 0; kind < http::fuzz::Asker::kinds; ++kind) asker.ask(*scene.client, kind);
    scene.run_for(20ms);
    if ((choices & 4) != 0) {
      hand.retry();
      scene.run_for(20ms);
    }
    if ((choices & 8) != 0) script.change(hand.parameters);
    if ((choices & 16) != 0) script.change(hand.extensions);
    if ((choices & 32) != 0) script.change(hand.hello_extensions);
    hand.sends_certificate = (choices & 64) == 0;
    if ((choices & 128) != 0) hand.answer();
    for (std::size_t steps = 0; steps < 64 && !script.empty() && scene.client_events.closed == 0; ++steps) {
      step(script, scene);
      scene.run_for(script.below(4) == 0 ? 0ms : 10ms);
    }
    scene.run_for(15min);
    http::fuzz::require(scene.client_events.closed == 1);
  }
  http::fuzz::require(asker.all_closed());
  return 0;
}
