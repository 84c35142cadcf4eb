#include "dial/lookup.h"

#include "dial/failure.h"

#include <utility>

#include <fmt/format.h>

namespace sallyport::dial {
namespace {

std::vector<net::SocketAddress> with_port(const std::vector<net::IpAddress>& ips, std::uint16_t port) {
  std::vector<net::SocketAddress> addresses;
  addresses.reserve(ips.size());
  for (const net::IpAddress& ip : ips) addresses.emplace_back(ip, port);
  return addresses;
}

}  // namespace

std::vector<net::SocketAddress> pinned_addresses(const Context& context, const std::string& host,
                                                 std::uint16_t port) {
  return with_port(of_family(context.pinned.find(host, port), context.family), port);
}

Lookup::Lookup(Context& context, std::string host, std::uint16_t port, Found found)
    : context_(context),
      host_(std::move(host)),
      port_(port),
      found_(std::move(found)),
      deadline_(context.timers(), [this](Time) {
        finish(std::unexpected(FailureWords::unresolved(host_, context_.connect_timeout)));
      }) {}

void Lookup::start() {
  if (auto pinned = pinned_addresses(context_, host_, port_); !pinned.empty())
    return finish(std::move(pinned));
  deadline_.arm(context_.timers().now() + context_.connect_timeout);
  resolution_ = context_.outbound.resolver().resolve(
      host_, {}, [this](Result<std::vector<net::IpAddress>> answer) { resolved(std::move(answer)); });
}

void Lookup::cancel() {
  deadline_.disarm();
  resolution_.reset();
}

void Lookup::resolved(Result<std::vector<net::IpAddress>> answer) {
  if (!answer) return finish(std::unexpected(answer.error()));
  const auto usable = of_family(net::interleave_families(std::move(*answer)), context_.family);
  if (!usable.empty()) return finish(with_port(usable, port_));
  finish(fail(ErrorKind::resolve, fmt::format("{} has no address of the family that {} asks for", host_,
                                              context_.family == AddressFamily::ipv4 ? "-4" : "-6")));
}

void Lookup::finish(Result<std::vector<net::SocketAddress>> result) {
  deadline_.disarm();
  const auto keep = std::move(resolution_);  // lives until this returns
  const Found found = std::exchange(found_, nullptr);
  found(std::move(result));
}

}  // namespace sallyport::dial
