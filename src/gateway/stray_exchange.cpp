#include "gateway/stray_exchange.h"

#include <cstring>
#include <type_traits>

namespace sallyport::gateway {
namespace {

constexpr std::size_t ring_bytes = 256 * 1024;
// Datagrams that one call of receive() hands over: others wait for the worker's turn, too.
constexpr std::size_t most_a_turn = 1024;

/// Before the datagram in each record.
struct Head {
  net::SocketAddress listener;
  net::NetPath path;
  net::Ecn ecn{};
};
static_assert(std::is_trivially_copyable_v<Head>);

}  // namespace

StrayExchange::StrayExchange(unsigned workers) : rings_(workers, ring_bytes) {}

void StrayExchange::send(unsigned from, unsigned to, const Stray& stray) {
  const Head head{stray.listener, stray.path, stray.ecn};
  rings_.send(from, to, {reinterpret_cast<const std::uint8_t*>(&head), sizeof head}, stray.datagram);
}

void StrayExchange::receive(unsigned to, const std::function<void(const Stray&)>& visit) {
  rings_.receive(to, most_a_turn, [&visit](Bytes record) {
    Head head;
    std::memcpy(static_cast<void*>(&head), record.data(), sizeof head);
    visit({head.listener, head.path, record.subspan(sizeof head), head.ecn});
  });
}

}  // namespace sallyport::gateway
