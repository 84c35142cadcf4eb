#include "tls/ticket.h"

#include "base/varint.h"
#include "tls/gnutls_handles.h"

namespace sallyport::tls {
namespace {

// The number of certificates, then each and the data, all behind their sizes as variable-length integers.

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

std::vector<std::uint8_t> make_ticket(gnutls_session_t session) {
  std::vector<std::uint8_t> ticket;
  Datum data;
  if (gnutls_session_get_data2(session, &data.value) < 0) return ticket;
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  append(ticket, count);
  for (unsigned i = 0; i < count; ++i) append(ticket, Bytes(chain[i].data, chain[i].size));
  append(ticket, data.bytes());
  return ticket;
}

std::optional<Ticket> parse_ticket(Bytes ticket) {
  Ticket result;
  const auto count = take_varint(ticket);
  if (!count) return std::nullopt;
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

}  // namespace sallyport::tls
