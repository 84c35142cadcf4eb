#include "masque/dns_capsules.h"

#include "base/varint.h"
#include "masque/ip_range.h"
#include "masque/uri_text.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

// Service parameters (RFC 9460 §14.3.2, RFC 9461 §5).
constexpr std::uint16_t key_mandatory = 0;
constexpr std::uint16_t key_alpn = 1;
constexpr std::uint16_t key_no_default_alpn = 2;
constexpr std::uint16_t key_port = 3;
constexpr std::uint16_t key_ipv4hint = 4;
constexpr std::uint16_t key_ipv6hint = 6;
constexpr std::uint16_t key_dohpath = 7;

constexpr std::size_t pref64_size = 13;
constexpr std::array<std::uint8_t, 6> pref64_lengths{32, 40, 48, 56, 64, 96};

bool is_known(std::uint16_t key) {
  return key == key_alpn || key == key_no_default_alpn || key == key_port || key == key_dohpath;
}

/// Labels of 1 to 63 characters, perhaps with the root's dot behind them. Nothing else may come into a
/// resolver's file; escapes of the presentation format (RFC 1035 §5.1) are in no name that anybody searches
/// by.
bool is_domain(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return false;
  std::size_t label = 0;
  for (const char c : text) {
    if (c == '.') {
      if (std::exchange(label, 0) == 0) return false;
    } else if ((!is_alphanumeric(c) && c != '-' && c != '_') || ++label > 63) {
      return false;
    }
  }
  return label > 0;
}

/// Reads fields off the front. The first thing that is wrong is kept, and everything after it reads as
/// nothing, so whoever reads has to look once, at the end.
class FieldReader {
 public:
  explicit FieldReader(Bytes value) : rest_(value) {}

  bool at_end() const { return rest_.empty(); }
  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }

  void wrong(std::string_view what, std::string_view section, ErrorKind kind = ErrorKind::protocol) {
    if (!error_) error_ = {kind, fmt::format("{} (draft-ietf-masque-connect-ip-dns-06 §{})", what, section)};
    rest_ = {};
  }
  /// As another reader's, of a part.
  void take_error(const FieldReader& part) {
    if (part.error_ && !error_) error_ = part.error_;
    if (error_) rest_ = {};
  }

  Bytes octets(std::uint64_t size) {
    if (size > rest_.size()) {
      wrong("the capsule is cut short", "3.3");
      return {};
    }
    const Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::uint16_t number16() {
    const Bytes two = octets(2);
    return two.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(two[0] << 8 | two[1]);
  }
  std::uint64_t varint() {
    if (const auto value = take_varint(rest_)) return *value;
    wrong("the capsule is cut short", "3.3");
    return 0;
  }
  /// How many of `what` follow: `max` at most.
  std::uint64_t count(std::string_view what, std::size_t max, std::string_view section) {
    const std::uint64_t count = varint();
    if (count <= max) return count;
    wrong(fmt::format("{} {} in one capsule, more than {}", count, what, max), section, ErrorKind::too_large);
    return 0;
  }
  std::string domain(std::string_view what, bool may_be_empty) {
    const std::string_view text = as_text(octets(varint()));
    if (!(text.empty() && may_be_empty) && !is_domain(text)) {
      wrong(fmt::format("{} that is no domain name", what), "3.1");
      return {};
    }
    return std::string(text);
  }

 private:
  Bytes rest_;
  std::optional<Error> error_;
};

void read_alpn(FieldReader& reader, Bytes value, DnsNameserver& nameserver) {
  FieldReader ids(value);
  do {
    const Bytes size = ids.octets(1);
    const Bytes id = ids.octets(size.empty() ? 0 : size[0]);
    if (id.empty()) return reader.wrong("a malformed alpn parameter (RFC 9460 §7.1.1)", "3.2");
    nameserver.alpn.emplace_back(as_text(id));
  } while (!ids.at_end());
}

void read_mandatory(FieldReader& reader, Bytes value, std::vector<std::uint16_t>& mandatory) {
  FieldReader keys(value);
  do {
    const std::uint16_t key = keys.number16();
    if (keys.failed() || key == key_mandatory || (!mandatory.empty() && key <= mandatory.back()))
      return reader.wrong("a malformed list of mandatory parameters (RFC 9460 §8)", "3.2");
    mandatory.push_back(key);
  } while (!keys.at_end());
}

/// The service parameters' wire format is that of RFC 9460 §2.2.
void read_parameters(FieldReader& reader, Bytes value, DnsNameserver& nameserver) {
  FieldReader parameters(value);
  std::vector<std::uint16_t> mandatory;
  std::vector<std::uint16_t> there;
  while (!parameters.at_end()) {
    const std::uint16_t key = parameters.number16();
    const Bytes its_value = parameters.octets(parameters.number16());
    if (parameters.failed()) break;
    if (!there.empty() && key <= there.back())
      return reader.wrong("service parameters out of order (RFC 9460 §2.2)", "3.2");
    there.push_back(key);
    switch (key) {
      case key_mandatory:
        read_mandatory(reader, its_value, mandatory);
        break;
      case key_alpn:
        read_alpn(reader, its_value, nameserver);
        break;
      case key_no_default_alpn:
        if (!its_value.empty())
          return reader.wrong("a no-default-alpn parameter with a value (RFC 9460 §7.1.1)", "3.2");
        nameserver.unencrypted = false;
        break;
      case key_port:
        if (its_value.size() != 2) return reader.wrong("a malformed port parameter (RFC 9460 §7.2)", "3.2");
        nameserver.port = static_cast<std::uint16_t>(its_value[0] << 8 | its_value[1]);
        break;
      case key_ipv4hint:
      case key_ipv6hint:
        return reader.wrong("an ipv4hint or ipv6hint parameter", "3.2");
      case key_dohpath:
        nameserver.doh_path = as_text(its_value);
        if (!nameserver.doh_path.starts_with('/') ||
            !std::ranges::all_of(nameserver.doh_path, [](char c) { return c > 0x20 && c < 0x7f; }))
          return reader.wrong("a dohpath parameter that is no path (RFC 9461 §5)", "3.2");
        break;
      default:
        break;
    }
  }
  reader.take_error(parameters);
  for (const std::uint16_t key : mandatory) {
    if (std::ranges::find(there, key) == there.end())
      return reader.wrong("a mandatory parameter that is not there (RFC 9460 §8)", "3.2");
    nameserver.needs_more = nameserver.needs_more || !is_known(key);
  }
}

void check_nameserver(FieldReader& reader, const DnsNameserver& nameserver) {
  if (nameserver.priority == 0) return reader.wrong("a nameserver of priority 0", "3.2");
  if (!nameserver.unencrypted && nameserver.alpn.empty())
    return reader.wrong("a no-default-alpn parameter without alpn (RFC 9460 §7.1.1)", "3.2");
  if (nameserver.authentication_domain.empty() && !nameserver.alpn.empty())
    return reader.wrong("an encrypted nameserver without an authentication domain name", "3.2");
  // The text wants addresses wherever no-default-alpn is left out, and then leaves both out in its own
  // example (§3.6.1), of a nameserver that DNS over HTTPS reaches by its name.
  if (nameserver.alpn.empty() && nameserver.addresses.empty())
    return reader.wrong("an unencrypted nameserver without an address", "3.2");
}

DnsNameserver read_nameserver(FieldReader& reader) {
  DnsNameserver nameserver;
  nameserver.priority = reader.number16();
  for (const std::size_t size : {4, 16}) {
    const std::uint64_t count =
        reader.count("addresses of a nameserver", max_dns_nameserver_addresses, "3.2");
    for (std::uint64_t i = 0; i < count && !reader.failed(); ++i) {
      const Bytes octets = reader.octets(size);
      if (!octets.empty()) nameserver.addresses.push_back(*net::IpAddress::from_octets(octets));
    }
  }
  nameserver.authentication_domain = reader.domain("an authentication domain name", true);
  read_parameters(reader, reader.octets(reader.varint()), nameserver);
  check_nameserver(reader, nameserver);
  return nameserver;
}

std::vector<std::string> read_domains(FieldReader& reader, std::string_view what, bool may_be_root) {
  std::vector<std::string> domains;
  const std::uint64_t count = reader.count("domains", max_dns_domains, "3.3");
  for (std::uint64_t i = 0; i < count && !reader.failed(); ++i)
    domains.push_back(reader.domain(what, may_be_root));
  return domains;
}

DnsConfiguration read_configuration(FieldReader& reader) {
  DnsConfiguration configuration;
  const std::uint64_t count = reader.count("nameservers", max_dns_nameservers, "3.3");
  for (std::uint64_t i = 0; i < count && !reader.failed(); ++i)
    configuration.nameservers.push_back(read_nameserver(reader));
  configuration.internal_domains = read_domains(reader, "an internal domain", true);
  configuration.search_domains = read_domains(reader, "a search domain", false);
  return configuration;
}

class FieldWriter {
 public:
  void octets(Bytes bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void number16(std::size_t value) {
    out_.push_back(static_cast<std::uint8_t>(value >> 8));
    out_.push_back(static_cast<std::uint8_t>(value));
  }
  void varint(std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes;
    octets(Bytes(bytes).first(put_varint(bytes, value)));
  }
  void sized(std::string_view text) {
    varint(text.size());
    octets(as_bytes(text));
  }
  std::vector<std::uint8_t> take() { return std::move(out_); }

 private:
  std::vector<std::uint8_t> out_;
};

std::vector<std::uint8_t> parameters_of(const DnsNameserver& nameserver) {
  FieldWriter out;
  const auto parameter = [&out](std::uint16_t key, Bytes value) {
    out.number16(key);
    out.number16(value.size());
    out.octets(value);
  };
  if (!nameserver.alpn.empty()) {
    std::string ids;
    for (const std::string& id : nameserver.alpn) (ids += static_cast<char>(id.size())) += id;
    parameter(key_alpn, as_bytes(ids));
  }
  if (!nameserver.unencrypted) parameter(key_no_default_alpn, {});
  if (nameserver.port)
    parameter(key_port, std::array{static_cast<std::uint8_t>(*nameserver.port >> 8),
                                   static_cast<std::uint8_t>(*nameserver.port)});
  if (!nameserver.doh_path.empty()) parameter(key_dohpath, as_bytes(nameserver.doh_path));
  return out.take();
}

void write_nameserver(FieldWriter& out, const DnsNameserver& nameserver) {
  out.number16(nameserver.priority);
  for (const bool v4 : {true, false}) {
    const auto of_version = [v4](const net::IpAddress& address) { return address.is_v4() == v4; };
    out.varint(static_cast<std::uint64_t>(std::ranges::count_if(nameserver.addresses, of_version)));
    for (const net::IpAddress& address : nameserver.addresses)
      if (of_version(address)) out.octets(address.octets());
  }
  out.sized(nameserver.authentication_domain);
  out.sized(as_text(parameters_of(nameserver)));
}

}  // namespace

Result<std::vector<DnsConfiguration>> parse_dns_assign(Bytes value) {
  if (value.size() > max_dns_capsule)
    return fail(ErrorKind::too_large,
                fmt::format("DNS_ASSIGN: {} bytes, more than {}", value.size(), max_dns_capsule));
  FieldReader reader(value);
  std::vector<DnsConfiguration> configurations;
  while (!reader.at_end()) {
    if (configurations.size() == max_dns_configurations)
      return fail(ErrorKind::too_large,
                  fmt::format("DNS_ASSIGN with more than {} DNS configurations", max_dns_configurations));
    configurations.push_back(read_configuration(reader));
  }
  if (reader.failed()) return fail(reader.error().kind, "DNS_ASSIGN: " + reader.error().message);
  return configurations;
}

Result<std::vector<net::IpPrefix>> parse_pref64(Bytes value) {
  constexpr std::string_view section = "draft-ietf-masque-connect-ip-dns-06 §4.1";
  if (value.size() % pref64_size != 0)
    return fail(ErrorKind::protocol, fmt::format("PREF64: {} bytes, not a multiple of {} ({})", value.size(),
                                                 pref64_size, section));
  if (value.size() / pref64_size > max_pref64)
    return fail(ErrorKind::too_large, fmt::format("PREF64 with more than {} prefixes", max_pref64));
  std::vector<net::IpPrefix> prefixes;
  for (; !value.empty(); value = value.subspan(pref64_size)) {
    if (std::ranges::find(pref64_lengths, value[0]) == pref64_lengths.end())
      return fail(ErrorKind::protocol, fmt::format("PREF64: prefix length {} ({})", value[0], section));
    std::array<std::uint8_t, 16> octets{};
    copy_bytes(value.subspan(1, pref64_size - 1), octets.data());
    // Nothing is said of the bits behind the length, and nothing reads them.
    prefixes.emplace_back(net::IpAddress::v6(octets), value[0]);
  }
  return prefixes;
}

std::vector<std::uint8_t> write_dns_assign(std::span<const DnsConfiguration> configurations) {
  FieldWriter out;
  for (const DnsConfiguration& configuration : configurations) {
    out.varint(configuration.nameservers.size());
    for (const DnsNameserver& nameserver : configuration.nameservers) write_nameserver(out, nameserver);
    for (const auto* domains : {&configuration.internal_domains, &configuration.search_domains}) {
      out.varint(domains->size());
      for (const std::string& domain : *domains) out.sized(domain);
    }
  }
  return out.take();
}

std::vector<std::uint8_t> write_pref64(std::span<const net::IpPrefix> prefixes) {
  FieldWriter out;
  for (const net::IpPrefix& prefix : prefixes) {
    assert(prefix.address().is_v6());
    out.octets(std::array{static_cast<std::uint8_t>(prefix.length())});
    out.octets(prefix.address().octets().first(pref64_size - 1));
  }
  return out.take();
}

}  // namespace sallyport::masque
