// A hostile client against the whole of our server, QUIC and HTTP/3: a handshake whose extensions and
// transport parameters are dropped, doubled, emptied, cut, lengthened and reordered, then frames of every
// type in every packet number space. The input is read by HandScript. Whatever comes in, the server goes on,
// and no connection outlives its idle timeout.
#include "hand_script.h"
#include "http/h3_for_test.h"
#include "invariants.h"
#include "quic/hand_peer_for_test.h"

#include <optional>

namespace {

using namespace sallyport;
using quic::fuzz::HandScript;
using quic::test::HandClient;
using quic::test::Level;
using quic::test::Octets;

void answer(http::Exchange& exchange, http::test::RecordingExchange& handler) {
  if (exchange.request().is_connect()) {
    exchange.use_capsules();
    exchange.respond({.status = 200});
    return;
  }
  handler.then_end = [](http::Exchange& e) {
    e.respond({.status = 200});
    e.write(as_bytes("answer"));
    e.finish({{"x-sum", "1"}});
  };
}

struct Scene : http::test::H3Pair {
  std::shared_ptr<quic::test::SecretCatcher> secrets = std::make_shared<quic::test::SecretCatcher>();
  std::optional<HandClient> hand;

  explicit Scene(std::uint8_t choices) {
    environment.key_log = secrets;
    requests.then = answer;
    if ((choices & 1) != 0) server_options.retry = quic::RetryPolicy::always;
    server_options.early_data = (choices & 2) != 0;
    serve();
    hand.emplace(link.server, *secrets);
  }
  void shake_hands() {
    hand->hello();
    run_for(50ms);
    if (hand->retried && hand->expected_number[0] == 0) {
      hand->transcript.clear();
      hand->crypto_sent = {};
      hand->hello();
      run_for(50ms);
    }
  }
  /// A session to resume, with 0-RTT.
  void earn_ticket() {
    shake_hands();
    hand->finish();
    run_for(50ms);
    const auto ticket = hand->ticket();
    hand.reset();
    secrets->lines.clear();
    hand.emplace(link.server, *secrets, Octets{1, 2, 3, 4, 5, 6, 7, 8});
    hand->resumes = ticket;
  }
};

void step(HandScript& script, Scene& scene) {
  HandClient& hand = *scene.hand;
  const std::size_t choice = script.below(12);
  switch (choice) {
    case 4:
      hand.finish();
      break;
    case 6:
      hand.address = {hand.address.ip(), static_cast<std::uint16_t>(1000 + script.below(40))};
      break;
    case 10:
      hand.hello();
      break;
    default:
      common_step(script, scene, hand, choice);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  HandScript script(data, size);
  const std::uint8_t choices = script.octet();
  Scene scene(choices);
  if ((choices & 2) != 0 && (choices & 4) != 0) scene.earn_ticket();
  HandClient& hand = *scene.hand;
  if ((choices & 8) != 0) hand.version = quic::version_2;
  auto parameters = quic::test::usual_parameters(hand.own_id);
  if ((choices & 16) != 0) script.change(parameters);
  hand.extensions = quic::test::client_extensions("server.test", encode(parameters));
  if ((choices & 32) != 0) script.change(hand.extensions);
  if ((choices & 64) != 0) quic::test::append(hand.ciphers, script.bytes(8));
  scene.shake_hands();
  if ((choices & 128) != 0) hand.finish();
  for (std::size_t steps = 0; steps < 64 && !script.empty(); ++steps) {
    step(script, scene);
    scene.run_for(script.below(4) == 0 ? 0ms : 10ms);
  }
  scene.run_for(15min);
  http::fuzz::require(scene.endpoint->stats().connections == 0);
  return 0;
}
