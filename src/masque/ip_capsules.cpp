#include "masque/ip_capsules.h"

#include "base/varint.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <expected>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

bool is_all_zero(const net::IpAddress& address) {
  return std::ranges::all_of(address.octets(), [](std::uint8_t octet) { return octet == 0; });
}

net::IpPrefix no_address(bool v4) {
  return v4 ? net::IpPrefix(net::IpAddress(), 32) : net::IpPrefix(net::IpAddress::v6({}), 128);
}

/// Reads the entries of one capsule and names what is wrong with them.
class EntryReader {
 public:
  EntryReader(Bytes value, std::string_view capsule, std::string_view section, std::size_t max_entries)
      : rest_(value), capsule_(capsule), section_(section), max_entries_(max_entries) {}

  bool at_end() const { return rest_.empty(); }
  /// To be called before each entry is read.
  Result<> begin_entry() {
    if (++entry_ <= max_entries_) return {};
    return fail(ErrorKind::too_large,
                fmt::format("{} with more than {} entries (RFC 9484 §{})", capsule_, max_entries_, section_));
  }
  std::unexpected<Error> wrong(std::string_view what) const {
    return fail(ErrorKind::protocol,
                fmt::format("{}, entry {}: {} (RFC 9484 §{})", capsule_, entry_, what, section_));
  }
  std::unexpected<Error> cut_short(std::string_view field) const {
    return wrong(fmt::format("the capsule ends inside {}", field));
  }

  Result<std::uint64_t> request_id() {
    const auto id = take_varint(rest_);
    if (!id) return cut_short("the request ID");
    return *id;
  }
  Result<std::uint8_t> octet(std::string_view field) {
    if (rest_.empty()) return cut_short(field);
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  /// Whether what follows is of IPv4.
  Result<bool> version() {
    const auto version = octet("the IP version");
    if (!version) return std::unexpected(version.error());
    if (*version != 4 && *version != 6) return wrong(fmt::format("IP version {}", *version));
    return *version == 4;
  }
  Result<net::IpAddress> address(bool v4) {
    const std::size_t size = v4 ? 4 : 16;
    if (rest_.size() < size) return cut_short("an IP address");
    const net::IpAddress address = *net::IpAddress::from_octets(rest_.first(size));
    rest_ = rest_.subspan(size);
    return address;
  }
  /// IP version, IP address and IP prefix length.
  Result<net::IpPrefix> prefix() {
    const auto v4 = version();
    if (!v4) return std::unexpected(v4.error());
    const auto from = address(*v4);
    if (!from) return std::unexpected(from.error());
    const auto length = octet("the IP prefix length");
    if (!length) return std::unexpected(length.error());
    if (*length > (*v4 ? 32 : 128))
      return wrong(fmt::format("prefix length {} of an IPv{} address", *length, *v4 ? 4 : 6));
    const net::IpPrefix prefix(*from, *length);
    if (prefix.address() != *from)
      return wrong(fmt::format("{}/{} has bits set behind its prefix length", from->to_string(), *length));
    return prefix;
  }

 private:
  Bytes rest_;
  const std::string_view capsule_, section_;
  const std::size_t max_entries_;
  std::size_t entry_ = 0;
};

void append_varint(std::vector<std::uint8_t>& out, std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes;
  out.insert(out.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(put_varint(bytes, value)));
}

void append_address(std::vector<std::uint8_t>& out, const net::IpAddress& address) {
  out.insert(out.end(), address.octets().begin(), address.octets().end());
}

/// AssignedAddress and RequestedAddress have the same form.
template <class Entry>
std::vector<std::uint8_t> write_addresses(std::span<const Entry> addresses) {
  std::vector<std::uint8_t> out;
  for (const Entry& entry : addresses) {
    append_varint(out, entry.request_id);
    out.push_back(entry.prefix.address().is_v4() ? 4 : 6);
    append_address(out, entry.prefix.address());
    out.push_back(static_cast<std::uint8_t>(entry.prefix.length()));
  }
  return out;
}

std::unexpected<Error> too_many_prefixes() {
  return fail(ErrorKind::too_large,
              fmt::format("ROUTE_ADVERTISEMENT with ranges of more than {} prefixes (RFC 9484 §4.7.3)",
                          max_capsule_prefixes));
}

/// Whether `before` may stand in front of `after` in the same capsule; what is wrong where it may not.
std::string_view disorder(const IpRange& before, const IpRange& after) {
  if (before.is_v4() != after.is_v4()) return before.is_v4() ? "" : "an IPv4 range follows one of IPv6";
  if (before.protocol != after.protocol)
    return before.protocol < after.protocol ? "" : "its IP protocol is lower than that of the range before";
  return before.end < after.start ? "" : "it does not lie behind the range before";
}

/// The range for all protocols, of `for_all` (in order), that shares an address with `range`.
const IpRange* overlap(const std::vector<IpRange>& for_all, const IpRange& range) {
  const auto behind = std::ranges::partition_point(for_all, [&](const IpRange& other) {
    return other.is_v4() != range.is_v4() ? other.is_v4() : other.end < range.start;
  });
  if (behind == for_all.end() || behind->is_v4() != range.is_v4() || range.end < behind->start)
    return nullptr;
  return &*behind;
}

}  // namespace

bool AssignedAddress::is_rejection() const {
  return prefix == no_address(prefix.address().is_v4());
}

bool RequestedAddress::is_without_preference() const {
  return is_all_zero(prefix.address());
}

AssignedAddress RequestedAddress::rejection() const {
  return {request_id, no_address(prefix.address().is_v4())};
}

Result<std::vector<AssignedAddress>> parse_address_assign(Bytes value) {
  EntryReader reader(value, "ADDRESS_ASSIGN", "4.7.1", max_capsule_addresses);
  std::vector<AssignedAddress> addresses;
  while (!reader.at_end()) {
    if (auto more = reader.begin_entry(); !more) return std::unexpected(std::move(more.error()));
    const auto id = reader.request_id();
    if (!id) return std::unexpected(id.error());
    const auto prefix = reader.prefix();
    if (!prefix) return std::unexpected(prefix.error());
    addresses.push_back({*id, *prefix});
  }
  return addresses;
}

Result<std::vector<RequestedAddress>> parse_address_request(Bytes value) {
  EntryReader reader(value, "ADDRESS_REQUEST", "4.7.2", max_capsule_addresses);
  if (reader.at_end())
    return fail(ErrorKind::protocol, "ADDRESS_REQUEST without a requested address (RFC 9484 §4.7.2)");
  std::vector<RequestedAddress> addresses;
  while (!reader.at_end()) {
    if (auto more = reader.begin_entry(); !more) return std::unexpected(std::move(more.error()));
    const auto id = reader.request_id();
    if (!id) return std::unexpected(id.error());
    if (*id == 0) return reader.wrong("request ID 0");
    if (std::ranges::find(addresses, *id, &RequestedAddress::request_id) != addresses.end())
      return reader.wrong(fmt::format("request ID {} is there twice", *id));
    const auto prefix = reader.prefix();
    if (!prefix) return std::unexpected(prefix.error());
    addresses.push_back({*id, *prefix});
  }
  return addresses;
}

Result<std::vector<IpRange>> parse_route_advertisement(Bytes value) {
  EntryReader reader(value, "ROUTE_ADVERTISEMENT", "4.7.3", max_capsule_ranges);
  std::vector<IpRange> ranges;
  std::vector<IpRange> for_all;
  std::size_t prefixes = 0;
  while (!reader.at_end()) {
    if (auto more = reader.begin_entry(); !more) return std::unexpected(std::move(more.error()));
    const auto v4 = reader.version();
    if (!v4) return std::unexpected(v4.error());
    const auto start = reader.address(*v4);
    if (!start) return std::unexpected(start.error());
    const auto end = reader.address(*v4);
    if (!end) return std::unexpected(end.error());
    const auto protocol = reader.octet("the IP protocol");
    if (!protocol) return std::unexpected(protocol.error());
    if (*end < *start)
      return reader.wrong(
          fmt::format("the range from {} to {} ends before it starts", start->to_string(), end->to_string()));
    const IpRange range{*start, *end, *protocol};
    if (!ranges.empty())
      if (const auto what = disorder(ranges.back(), range); !what.empty()) return reader.wrong(what);
    if (range.protocol == any_protocol)
      for_all.push_back(range);
    else if (const IpRange* other = overlap(for_all, range))
      return reader.wrong(fmt::format("it overlaps the range from {} to {}, which is for all IP protocols",
                                      other->start.to_string(), other->end.to_string()));
    prefixes += prefix_count(range);
    if (prefixes > max_capsule_prefixes) return too_many_prefixes();
    ranges.push_back(range);
  }
  return ranges;
}

std::vector<std::uint8_t> write_address_assign(std::span<const AssignedAddress> addresses) {
  return write_addresses(addresses);
}

std::vector<std::uint8_t> write_address_request(std::span<const RequestedAddress> addresses) {
  assert(!addresses.empty());
  return write_addresses(addresses);
}

Result<std::vector<std::uint8_t>> write_route_advertisement(std::span<const IpRange> ranges) {
  if (ranges.size() > max_capsule_ranges)
    return fail(ErrorKind::too_large, fmt::format("ROUTE_ADVERTISEMENT with {} ranges, more than {}",
                                                  ranges.size(), max_capsule_ranges));
  std::vector<std::uint8_t> out;
  std::size_t prefixes = 0;
  for (const IpRange& range : ranges) {
    prefixes += prefix_count(range);
    if (prefixes > max_capsule_prefixes) return too_many_prefixes();
    out.push_back(range.is_v4() ? 4 : 6);
    append_address(out, range.start);
    append_address(out, range.end);
    out.push_back(range.protocol);
  }
  return out;
}

Result<> RequestIds::add(std::uint64_t id) {
  // The first interval that ends at the ID or behind it.
  const auto behind = std::ranges::lower_bound(used_, id, {}, &Interval::last);
  if (behind != used_.end() && behind->first <= id)
    return fail(ErrorKind::protocol,
                fmt::format("request ID {} was used before{} (RFC 9484 §4.7.2)", id,
                            joined_ && behind == used_.begin() ? " or lies between some that were" : ""));
  const bool joins_next = behind != used_.end() && behind->first == id + 1;
  const auto before = behind == used_.begin() ? used_.end() : behind - 1;
  const bool joins_before = before != used_.end() && before->last + 1 == id;
  if (joins_before && joins_next) {
    before->last = behind->last;
    used_.erase(behind);
  } else if (joins_before) {
    before->last = id;
  } else if (joins_next) {
    behind->first = id;
  } else {
    used_.insert(behind, {id, id});
    if (used_.size() <= max_intervals) return {};
    // Nothing forbids a peer to jump about. It is least likely to come back to the lowest.
    used_[1].first = used_[0].first;
    used_.erase(used_.begin());
    joined_ = true;
  }
  return {};
}

}  // namespace sallyport::masque
