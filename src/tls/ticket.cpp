#include "tls/ticket.h"

#include "base/varint.h"
#include "tls/gnutls_handles.h"

namespace sallyport::tls {
namespace {

// Whether it is good for 0-RTT (0 or 1), the number of certificates, then each of them and the data, all
// behind their sizes. All numbers are variable-length integers.

constexpr unsigned early_data_extension = 42;              // RFC 8446 §4.2
constexpr std::uint64_t quic_max_early_data = 0xffffffff;  // RFC 9001 §4.6.1: this, or none

/// An integer of `size` bytes.
std::optional<std::uint64_t> take_integer(Bytes& in, std::size_t size) {
  if (in.size() < size) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | in[i];
  in = in.subspan(size);
  return value;
}

/// A vector preceded by its length of `size` bytes.
std::optional<Bytes> take_vector(Bytes& in, std::size_t size) {
  const auto length = take_integer(in, size);
  if (!length || *length > in.size()) return std::nullopt;
  const Bytes content = in.first(*length);
  in = in.subspan(*length);
  return content;
}

void append(std::vector<std::uint8_t>& out, std::uint64_t value) {
  std::uint8_t buffer[8];
  const std::size_t size = put_varint(buffer, value);
  out.insert(out.end(), buffer, buffer + size);
}

void append(std::vector<std::uint8_t>& out, Bytes bytes) {
  append(out, bytes.size());
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::optional<Bytes> take_sized(Bytes& in) {
  const auto size = take_varint(in);
  if (!size || *size > in.size()) return std::nullopt;
  const Bytes piece = in.first(*size);
  in = in.subspan(*size);
  return piece;
}

}  // namespace

std::vector<std::uint8_t> make_ticket(gnutls_session_t session, bool early_data) {
  std::vector<std::uint8_t> ticket;
  Datum data;
  if (gnutls_session_get_data2(session, &data.value) < 0) return ticket;
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  append(ticket, early_data ? 1 : 0);
  append(ticket, count);
  for (unsigned i = 0; i < count; ++i) append(ticket, Bytes(chain[i].data, chain[i].size));
  append(ticket, data.bytes());
  return ticket;
}

std::optional<Ticket> parse_ticket(Bytes ticket) {
  Ticket result;
  const auto early_data = take_varint(ticket);
  const auto count = take_varint(ticket);
  if (!early_data || !count) return std::nullopt;
  result.early_data = *early_data != 0;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto certificate = take_sized(ticket);
    if (!certificate) return std::nullopt;
    result.chain.push_back(*certificate);
  }
  const auto data = take_sized(ticket);
  if (!data || data->empty() || !ticket.empty()) return std::nullopt;
  result.data = *data;
  return result;
}

bool allows_early_data(Bytes message) {
  const bool whole = take_integer(message, 4) && take_integer(message, 4) &&  // lifetime, age_add
                     take_vector(message, 1) && take_vector(message, 2);      // nonce, ticket
  auto extensions = whole ? take_vector(message, 2) : std::nullopt;
  while (extensions && !extensions->empty()) {
    const auto type = take_integer(*extensions, 2);
    auto content = take_vector(*extensions, 2);
    if (!type || !content) return false;
    if (*type == early_data_extension) return take_integer(*content, 4) == quic_max_early_data;
  }
  return false;
}

}  // namespace sallyport::tls
