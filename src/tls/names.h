// Names: the names of a certificate, and the lookup of a certificate by name (RFC 9525). For this layer's own
// files.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct gnutls_x509_crt_int;

namespace sallyport::tls {

/// The subject's alternative names: DNS names in lower case, then addresses in their canonical text. The
/// common name counts only where there is no alternative name at all.
std::vector<std::string> names_of(gnutls_x509_crt_int* certificate);

/// "'a.test', 'b.test' and 3 more"; at most three are spelled out. "no name" when there is none.
std::string quote_names(std::span<const std::string> names);

/// Whether `name` is valid in a certificate: an address, or an ASCII host name, with an optional leading
/// `*.`.
bool is_certifiable(std::string_view name);

/// A map from names to values. A name that begins with "*." matches any one label in its place.
class NameIndex {
 public:
  void add(std::string_view name, std::size_t value);
  /// The values for `host` (a name, in any case, a trailing dot allowed; or an address, also in brackets),
  /// those of the exact name, else those of the wildcard. Does not allocate for names.
  std::span<const std::size_t> find(std::string_view host) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, std::vector<std::size_t>, Hash, std::equal_to<>> values_;
  std::span<const std::size_t> lookup(std::string_view key) const;
};

}  // namespace sallyport::tls
