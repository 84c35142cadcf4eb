#include "tls/names.h"

#include "net/address.h"
#include "tls/gnutls_handles.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sallyport::tls {
namespace {

constexpr std::size_t longest_name = 253;  // RFC 1035 §2.3.4, as text

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

std::string address_text(Bytes octets) {
  if (octets.size() == 4) {
    std::array<std::uint8_t, 4> v4;
    std::ranges::copy(octets, v4.begin());
    return net::IpAddress::v4(v4).to_string();
  }
  if (octets.size() == 16) {
    std::array<std::uint8_t, 16> v6;
    std::ranges::copy(octets, v6.begin());
    return net::IpAddress::v6(v6).to_string();
  }
  return {};
}

/// A cheap test, so host names are never parsed as addresses.
bool may_be_address(std::string_view host) {
  return host.find(':') != std::string_view::npos ||
         (!host.empty() && host.back() >= '0' && host.back() <= '9');
}

}  // namespace

std::vector<std::string> names_of(gnutls_x509_crt_int* certificate) {
  std::vector<std::string> names, addresses;
  bool has_alternative = false;
  for (unsigned i = 0;; ++i) {
    std::array<char, 1024> buffer;
    std::size_t size = buffer.size();
    unsigned critical = 0;
    const int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, buffer.data(), &size, &critical);
    if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) break;
    has_alternative = true;
    // Too long a name is no name of ours; what cannot be read at all would be so for every `i`.
    if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER) break;
    const std::string_view text(buffer.data(), std::min(size, buffer.size()));
    if (type == GNUTLS_SAN_DNSNAME) names.push_back(lower_case(text));
    if (type == GNUTLS_SAN_IPADDRESS) {
      if (std::string address = address_text(as_bytes(text)); !address.empty())
        addresses.push_back(std::move(address));
    }
  }
  if (!has_alternative) {
    std::array<char, 256> buffer;
    std::size_t size = buffer.size();
    if (gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, buffer.data(), &size) ==
        0) {
      names.push_back(lower_case({buffer.data(), size}));
    }
  }
  names.insert(names.end(), std::make_move_iterator(addresses.begin()),
               std::make_move_iterator(addresses.end()));
  return names;
}

std::string quote_names(std::span<const std::string> names) {
  constexpr std::size_t shown = 3;
  if (names.empty()) return "no name";
  const std::size_t spelled = std::min(names.size(), shown);
  const std::size_t more = names.size() - spelled;
  std::string result;
  for (std::size_t i = 0; i < spelled; ++i) {
    if (i > 0) result += i + 1 == spelled && more == 0 ? " and " : ", ";
    result += "'" + names[i] + "'";
  }
  if (more > 0) result += " and " + std::to_string(more) + " more";
  return result;
}

bool is_certifiable(std::string_view name) {
  if (net::IpAddress::parse(name)) return name.find('%') == std::string_view::npos;
  if (name.starts_with("*.")) name.remove_prefix(2);
  if (name.empty() || name.size() > longest_name) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    const bool good = (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!good || ++label > 63) return false;
  }
  return label > 0;
}

void NameIndex::add(std::string_view name, std::size_t value) {
  std::vector<std::size_t>& values = values_[lower_case(name)];
  if (std::ranges::find(values, value) == values.end()) values.push_back(value);
}

std::span<const std::size_t> NameIndex::lookup(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return {};
  return found->second;
}

std::span<const std::size_t> NameIndex::find(std::string_view host) const {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (may_be_address(host)) {
    if (const auto address = net::IpAddress::parse(host)) return lookup(address->to_string());
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  // One byte in front, so that "*" can take the place of the first label.
  std::array<char, longest_name + 1> buffer;
  if (host.empty() || host.size() > longest_name) return {};
  std::ranges::transform(host, buffer.begin() + 1, lower);
  const std::string_view name(buffer.data() + 1, host.size());
  if (const auto exact = lookup(name); !exact.empty()) return exact;
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  buffer[dot] = '*';  // the byte before the dot, as `name` begins at 1
  return lookup({buffer.data() + dot, name.size() - dot + 1});
}

}  // namespace sallyport::tls
