// The first byte says which capsule of CONNECT-IP the rest is the value of: ADDRESS_ASSIGN, ADDRESS_REQUEST,
// ROUTE_ADVERTISEMENT, DNS_ASSIGN, PREF64, or ROUTE_ADVERTISEMENT from a sender that puts its ranges in order
// first. What is taken keeps the rules, and what is written of it is read as the same.
#include "base/bytes.h"
#include "masque/dns_capsules.h"
#include "masque/ip_capsules.h"

#include <cstdlib>

namespace {

using namespace sallyport;
using namespace sallyport::masque;

void require(bool condition) {
  if (!condition) std::abort();
}

template <class Parsed, class Parse, class Write>
void require_same_again(const Parsed& parsed, Parse parse, Write write) {
  const auto written = write(*parsed);
  const auto again = parse(written);
  require(again && *again == *parsed);
}

void try_assign(Bytes value) {
  const auto parsed = parse_address_assign(value);
  if (!parsed) return;
  require(parsed->size() <= max_capsule_addresses);
  require_same_again(parsed, parse_address_assign,
                     [](const auto& addresses) { return write_address_assign(addresses); });
}

void try_request(Bytes value) {
  const auto parsed = parse_address_request(value);
  if (!parsed) return;
  require(!parsed->empty() && parsed->size() <= max_capsule_addresses);
  RequestIds ids;
  for (const RequestedAddress& address : *parsed) {
    require(address.request_id != 0 && address.rejection().is_rejection());
    require(ids.add(address.request_id).has_value() && !ids.add(address.request_id));
  }
  require_same_again(parsed, parse_address_request,
                     [](const auto& addresses) { return write_address_request(addresses); });
}

void try_routes(Bytes value) {
  const auto parsed = parse_route_advertisement(value);
  if (!parsed) return;
  require(parsed->size() <= max_capsule_ranges);
  require_same_again(parsed, parse_route_advertisement,
                     [](const auto& ranges) { return write_route_advertisement(ranges).value(); });
  std::size_t count = 0;
  for (const IpRange& range : *parsed) {
    const auto prefixes = prefixes_of(range);
    require(prefixes.size() == prefix_count(range));
    count += prefixes.size();
    require(!prefixes.empty() && prefixes.front().address() == range.start);
    require(last_address(prefixes.back()) == range.end && prefixes.size() <= (range.is_v4() ? 62 : 254));
  }
  require(count <= max_capsule_prefixes);
}

void try_sendable(Bytes value) {
  std::vector<IpRange> ranges;
  while (value.size() >= 5) {
    // Addresses that share much, so that they meet.
    const auto address = [&value](std::size_t at, bool v4) {
      return v4 ? net::IpAddress::v4({10, 0, value[at], value[at + 1]})
                : net::IpAddress::v6({0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, value[at], value[at + 1]});
    };
    const bool v4 = (value[0] & 0x80) != 0;
    IpRange range{address(1, v4), address(3, v4), static_cast<std::uint8_t>(value[0] & 3)};
    if (range.end < range.start) std::swap(range.start, range.end);
    ranges.push_back(range);
    value = value.subspan(5);
  }
  if (ranges.size() > max_capsule_ranges / 2) return;  // cutting may make twice as many
  const auto sent = sendable(ranges);
  if (const auto written = write_route_advertisement(sent)) {
    const auto parsed = parse_route_advertisement(*written);
    require(parsed && *parsed == sent);
  } else {
    require(written.error().kind == ErrorKind::too_large);
  }
  for (const IpRange& range : ranges)
    for (const net::IpAddress& end : {range.start, range.end}) {
      bool routed = false;
      for (const IpRange& other : sent)
        routed = routed || (other.contains(end) &&
                            (other.protocol == range.protocol || other.protocol == any_protocol));
      require(routed);
    }
}

void try_dns(Bytes value) {
  const auto parsed = parse_dns_assign(value);
  if (!parsed) return;
  for (const DnsConfiguration& configuration : *parsed) {
    for (const auto* domains : {&configuration.internal_domains, &configuration.search_domains})
      for (const std::string& domain : *domains)
        for (const char c : domain) require(c > 0x20 && c < 0x7f && c != '/' && c != '#');
    // Parameters that we do not know are not written.
    for (const DnsNameserver& nameserver : configuration.nameservers)
      if (nameserver.needs_more) return;
  }
  require_same_again(parsed, parse_dns_assign,
                     [](const auto& configurations) { return write_dns_assign(configurations); });
}

void try_pref64(Bytes value) {
  const auto parsed = parse_pref64(value);
  if (!parsed) return;
  require(parsed->size() * 13 == value.size());
  require_same_again(parsed, parse_pref64, [](const auto& prefixes) { return write_pref64(prefixes); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes value(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      try_assign(value);
      break;
    case 1:
      try_request(value);
      break;
    case 2:
      try_routes(value);
      break;
    case 3:
      try_dns(value);
      break;
    case 4:
      try_pref64(value);
      break;
    default:
      try_sendable(value);
      break;
  }
  return 0;
}
