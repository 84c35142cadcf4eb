#include "http/held_heads.h"

#include "http/h2_server_for_test.h"

#include <deque>

namespace sallyport::http {
namespace {

using namespace test;

constexpr auto held = HeldHeads::Verdict::held;

TEST(HeldHeads, AreBoundedForEachConnection) {
  HeldHeads heads;
  EXPECT_EQ(heads.hold(90, 100), held);
  EXPECT_EQ(heads.hold(11, 100), HeldHeads::Verdict::too_much_here);
  EXPECT_EQ(heads.hold(10, 100), held);
  heads.release(90);
  EXPECT_EQ(heads.hold(90, 100), held);
  EXPECT_EQ(heads.held(), 100u);
}

TEST(HeldHeads, AreBoundedForAllTogether) {
  constexpr std::size_t each = 1024 * 1024;
  std::deque<HeldHeads> connections(HeldHeads::most_of_all / each + 10);
  std::size_t holding = 0;
  for (HeldHeads& heads : connections) holding += heads.hold(each, each) == held ? 1 : 0;
  EXPECT_EQ(holding, HeldHeads::most_of_all / each);
  HeldHeads small;
  EXPECT_EQ(small.hold(10'000, each), held) << "who asks for little is not turned away";
  EXPECT_EQ(small.hold(each / 2, each), HeldHeads::Verdict::too_much_in_all);
  connections.front().release(each);
  EXPECT_EQ(small.hold(each / 2, each), held);
  // What is given back, all of it, may be taken again.
  connections.clear();
  std::deque<HeldHeads> others(HeldHeads::most_of_all / each - 1);
  for (HeldHeads& heads : others) EXPECT_EQ(heads.hold(each, each), held);
}

/// An HPACK string (RFC 7541 §5.2), without Huffman coding.
std::string hpack_string(std::string_view text) {
  std::string out;
  if (text.size() < 127) {
    out.push_back(static_cast<char>(text.size()));
  } else {
    out.push_back(127);
    std::size_t rest = text.size() - 127;
    for (; rest >= 128; rest /= 128) out.push_back(static_cast<char>(0x80 | rest % 128));
    out.push_back(static_cast<char>(rest));
  }
  return out + std::string(text);
}

class HpackBomb : public H2ServerTest {
 protected:
  /// A head of some 59 KB, out of 20 octets where `first` is false.
  static std::string request(std::uint32_t stream, bool first) {
    std::string block = "\x82\x87\x84";  // GET, https, /
    block += '\x01' + hpack_string("server.test");
    if (first) block += '\x40' + hpack_string("x") + hpack_string(std::string(3900, 'v'));
    block += std::string(first ? 14 : 15, '\xbe');  // the newest entry of the dynamic table
    return h2_frame(h2_headers, end_stream | end_headers, stream, block);
  }
};

TEST_F(HpackBomb, RequestsThatAreHeldAreBounded) {
  std::vector<Exchange*> open;
  requests.then = [&](Exchange& exchange, RecordingExchange&) { open.push_back(&exchange); };
  begin();
  std::size_t refused = 0;
  for (std::uint32_t i = 0; i < 90; ++i) {
    const auto answers = say(request(1 + 2 * i, i == 0));
    if (find(answers, h2_headers, 1 + 2 * i)) ++refused;  // 431
  }
  const std::size_t most = Limits{}.max_held_heads / (15 * 3933);
  EXPECT_EQ(open.size(), most);
  EXPECT_EQ(refused, 90 - most);
  // One that is answered makes room for another.
  open.front()->respond(status(204), true);
  clock.settle();
  say(request(1001, false));
  EXPECT_EQ(open.size(), most + 1);
}

}  // namespace
}  // namespace sallyport::http
