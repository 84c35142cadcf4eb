#include "masque/ip_range.h"

#include "masque/prefix_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

namespace sallyport::masque {
namespace {

std::array<std::uint8_t, 16> octets_of(const net::IpAddress& address) {
  std::array<std::uint8_t, 16> octets{};
  copy_bytes(address.octets(), octets.data());
  return octets;
}

/// The address after; nothing: there is none.
std::optional<net::IpAddress> next(const net::IpAddress& address) {
  auto octets = octets_of(address);
  const std::size_t size = address.octets().size();
  for (std::size_t i = size; i-- > 0;)
    if (++octets[i] != 0) return net::IpAddress::from_octets(Bytes(octets).first(size));
  return std::nullopt;
}

/// The address before; `address` is not the first one.
net::IpAddress previous(const net::IpAddress& address) {
  auto octets = octets_of(address);
  const std::size_t size = address.octets().size();
  for (std::size_t i = size; i-- > 0;)
    if (octets[i]-- != 0) break;
  return *net::IpAddress::from_octets(Bytes(octets).first(size));
}

/// Joins overlapping and neighbouring ranges of `sorted`.
std::vector<IpRange> joined(const std::vector<IpRange>& sorted) {
  std::vector<IpRange> result;
  for (const IpRange& range : sorted) {
    if (!result.empty() && result.back().is_v4() == range.is_v4() &&
        result.back().protocol == range.protocol) {
      IpRange& last = result.back();
      const auto behind = next(last.end);
      if (!behind || range.start <= *behind) {
        last.end = std::max(last.end, range.end);
        continue;
      }
    }
    result.push_back(range);
  }
  return result;
}

/// Appends what is left of `range` without `holes`, which are in order and do not overlap.
void append_without(std::vector<IpRange>& out, IpRange range, const std::vector<IpRange>& holes) {
  for (const IpRange& hole : holes) {
    if (hole.is_v4() != range.is_v4() || hole.end < range.start) continue;
    if (range.end < hole.start) break;
    if (range.start < hole.start) out.push_back({range.start, previous(hole.start), range.protocol});
    if (range.end <= hole.end) return;
    range.start = *next(hole.end);
  }
  out.push_back(range);
}

}  // namespace

bool is_icmp(std::uint8_t protocol, bool v4) {
  return protocol == (v4 ? 1 : 58);
}

bool routes(const IpRange& range, const net::IpAddress& destination, std::uint8_t protocol) {
  return range.contains(destination) &&
         (range.protocol == any_protocol || range.protocol == protocol || is_icmp(protocol, range.is_v4()));
}

net::IpPrefix host_prefix(const net::IpAddress& address) {
  return {address, static_cast<unsigned>(address.octets().size() * 8)};
}

net::IpAddress last_address(const net::IpPrefix& prefix) {
  auto octets = octets_of(prefix.address());
  const std::size_t size = prefix.address().octets().size();
  for (unsigned bit = prefix.length(); bit < size * 8; ++bit)
    octets[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  return *net::IpAddress::from_octets(Bytes(octets).first(size));
}

IpRange range_of(const net::IpPrefix& prefix, std::uint8_t protocol) {
  return {prefix.address(), last_address(prefix), protocol};
}

std::vector<net::IpPrefix> prefixes_of(const IpRange& range) {
  std::vector<net::IpPrefix> prefixes;
  for (std::optional<net::IpAddress> at = range.start; at && *at <= range.end;) {
    // The shortest prefix that begins here and does not go past the end.
    auto length = static_cast<unsigned>(at->octets().size() * 8);
    while (length > 0) {
      const net::IpPrefix wider(*at, length - 1);
      if (wider.address() != *at || last_address(wider) > range.end) break;
      --length;
    }
    prefixes.emplace_back(*at, length);
    at = next(last_address(prefixes.back()));
  }
  return prefixes;
}

std::size_t prefix_count(const IpRange& range) {
  const PrefixBits start = PrefixBits::of(range.start.octets()), end = PrefixBits::of(range.end.octets());
  const auto width = static_cast<unsigned>(range.start.octets().size() * 8);
  const unsigned fork = start.common(end);
  // Behind the bit where the two part, each 0 of the start before its last 1 has a prefix on its right, and
  // each 1 of the end before its last 0 one on its left; beside them there is one at each end.
  std::size_t between = 0;
  bool cut_at_start = false, cut_at_end = false;
  for (unsigned bit = width; bit-- > fork + 1;) {
    if (start.bit(bit))
      cut_at_start = true;
    else if (cut_at_start)
      ++between;
    if (!end.bit(bit))
      cut_at_end = true;
    else if (cut_at_end)
      ++between;
  }
  return cut_at_start || cut_at_end ? between + 2 : 1;
}

std::vector<IpRange> sendable(std::vector<IpRange> ranges) {
  std::ranges::sort(ranges, {}, [](const IpRange& range) {
    return std::tuple(!range.is_v4(), range.protocol, range.start, range.end);
  });
  ranges = joined(ranges);
  std::vector<IpRange> for_all;
  for (const IpRange& range : ranges)
    if (range.protocol == any_protocol) for_all.push_back(range);
  std::vector<IpRange> result;
  for (const IpRange& range : ranges)
    if (range.protocol == any_protocol)
      result.push_back(range);
    else
      append_without(result, range, for_all);
  return result;
}

}  // namespace sallyport::masque
