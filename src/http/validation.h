// HeadBuilder: builds a Request, a Response or trailers out of (name, value) pairs as a decoder hands them
// out, and holds them to the rules that are the same for all versions (RFC 9110 §5, RFC 9112 §3, RFC 9113 §8,
// RFC 9114 §4; docs/threat-model.md, "field injection" and "pseudo-header"). Fed by the callbacks of nghttp2
// and of QPACK, and with what Beast parsed.
#pragma once

#include "http/fields.h"
#include "http/limits.h"
#include "http/message.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::http {

/// What is wrong with a field section.
enum class Fault : std::uint8_t {
  none,
  malformed,          ///< stream error message_error; 400 over HTTP/1.1
  section_too_large,  ///< 431
  uri_too_long,       ///< 414
};

struct Verdict {
  Fault fault = Fault::none;
  std::string_view reason;  ///< a constant; for the Error's message
  bool ok() const { return fault == Fault::none; }
};

/// The status that a server answers a faulty request with.
unsigned status_for(Fault fault);

class HeadBuilder {
 public:
  explicit HeadBuilder(const Limits& limits) : limits_(&limits) {}

  // One of these first; what is built into has to outlive finish() and is cleared here.
  /// `extended_connect`: this server takes :protocol (RFC 9220). Over HTTP/1.1 the request line is added as
  /// :method, :scheme, :authority (absolute form and CONNECT only), :path and, for an upgrade, :protocol.
  void begin_request(Request& into, Version version, bool extended_connect);
  void begin_response(Response& into, Version version);
  void begin_trailers(Fields& into, Version version);

  /// Adds one field or pseudo-header. Takes anything; after a fault the rest is only counted. HTTP/1.1's
  /// names may have capitals, and its connection-specific fields (RFC 9110 §7.6.1) are left out of what is
  /// built.
  void add(std::string_view name, std::string_view value);
  /// In place of a field that is too long to be decoded, and of all that follow.
  void add_too_large() { fault(Fault::section_too_large, "a field is too long"); }
  /// After the last one. Once for each begin.
  Verdict finish();

  /// content-length, where there was one (and the section is no trailer).
  std::optional<std::uint64_t> content_length() const { return content_length_; }
  /// Bytes of the section so far (RFC 9114 §4.2.2), those left out counted as well.
  std::size_t section_size() const { return section_size_; }

 private:
  enum class Part : std::uint8_t { request, response, trailers };
  enum Seen : std::uint8_t {
    method = 1,
    scheme = 2,
    authority = 4,
    path = 8,
    protocol = 16,
    status = 32,
    host = 64
  };

  void begin(Part part, Fields& fields, Version version);
  void fault(Fault fault, std::string_view reason);
  void malformed(std::string_view reason) { fault(Fault::malformed, reason); }
  void add_pseudo(std::string_view name, std::string_view value);
  void add_known(std::string_view name, std::string_view value);
  bool claim(Seen which);
  void check_request();
  void join_cookies();
  void drop_nominated();

  const Limits* limits_;
  Request* request_ = nullptr;
  Response* response_ = nullptr;
  Fields* fields_ = nullptr;
  Verdict verdict_;
  std::optional<std::uint64_t> content_length_;
  std::size_t section_size_ = 0;
  std::uint32_t count_ = 0;
  Part part_ = Part::request;
  Version version_ = Version::http3;
  bool extended_connect_ = false;
  bool regular_seen_ = false;
  std::uint8_t cookies_ = 0;
  std::uint8_t seen_ = 0;
  std::string host_;       // to compare with :authority
  std::string nominated_;  // HTTP/1.1: what Connection names
};

/// Characters that a field name (lower case only), a field value or a method may have.
bool is_field_name(std::string_view name);
bool is_field_value(std::string_view value);
bool is_token(std::string_view text);
/// Of ASCII.
bool equal_ignoring_case(std::string_view a, std::string_view b);
/// host[:port] of RFC 3986 without user information; not empty.
bool is_authority(std::string_view text);
/// The host of an authority (RFC 3986 §3.2.2), without its port; an IPv6 address with its brackets.
std::string_view host_of(std::string_view authority);
/// `host` without the brackets of an IPv6 address.
std::string_view without_brackets(std::string_view host);
/// Fields that speak of one connection (RFC 9110 §7.6.1) and never pass to another, nor over HTTP/2 and /3.
/// `name` in lower case.
bool is_connection_specific(std::string_view name);
/// Whether a field may be sent: what its handler was given by somebody may have come from anywhere
/// (docs/threat-model.md, "field injection"). All versions leave out what may not.
bool may_be_sent(std::string_view name, std::string_view value);

/// Calls `use(field)` for each of `fields` that may be sent.
template <class Use>
void for_each_sendable(const Fields& fields, Use&& use) {
  bool all = true;
  for (const Fields::Field field : fields) {
    if (!fields.known_sendable() && !may_be_sent(field.name, field.value))
      all = false;
    else
      use(field);
  }
  if (all) fields.note_sendable();
}

}  // namespace sallyport::http
