// Taking over, and writing. Reading is in aes_records_read.cpp.
#include "tls/aes_records.h"

#include <algorithm>
#include <utility>

namespace sallyport::tls {
namespace {

constexpr std::size_t header_size = 5;
/// Header, content type and tag.
constexpr std::size_t overhead = header_size + 1 + aes_gcm_tag_size;
/// A record that is cut short, lest a buffer is left with room that no whole one fits in, has this much.
constexpr std::size_t least_cut = 4096;
constexpr std::size_t most_pieces = 64;
/// RFC 8446 §5.5 wants new keys after some 24 million full records.
constexpr std::uint64_t most_records = std::uint64_t{1} << 24;

/// The sequence number of the next record in one direction.
std::optional<std::uint64_t> sequence_of(gnutls_session_t session, bool reading) {
  unsigned char number[8];
  if (gnutls_record_get_state(session, reading ? 1 : 0, nullptr, nullptr, nullptr, number) < 0)
    return std::nullopt;
  std::uint64_t sequence = 0;
  for (const unsigned char byte : number) sequence = sequence << 8 | byte;
  return sequence;
}

}  // namespace

std::unique_ptr<AesRecords> AesRecords::take_over(net::Timers& timers, RecordChannel& channel) {
  gnutls_session_t const session = channel.native();
  const auto& secrets = channel.traffic_secrets();
  if (channel.server_credentials() == nullptr || !has_fast_aes_gcm() || !secrets.client || !secrets.server ||
      gnutls_protocol_get_version(session) != GNUTLS_TLS1_3 ||
      gnutls_cipher_get(session) != GNUTLS_CIPHER_AES_128_GCM || gnutls_record_check_pending(session) > 0 ||
      channel.limits_records())
    return nullptr;
  const auto read = sequence_of(session, true), written = sequence_of(session, false);
  if (!read || !written) return nullptr;
  auto reading = TrafficKeys::make(*secrets.client, *read),
       writing = TrafficKeys::make(*secrets.server, *written);
  if (!reading || !writing) return nullptr;
  channel.flush();
  Setup setup{.reading = std::move(*reading), .writing = std::move(*writing), .input = channel.take_input()};
  return std::make_unique<AesRecords>(timers, channel.take_transport(), std::move(setup));
}

AesRecords::AesRecords(net::Timers& timers, std::unique_ptr<net::ByteStream> transport, Setup setup)
    : timers_(timers),
      transport_(std::move(transport)),
      reading_(std::move(setup.reading)),
      writing_(std::move(setup.writing)),
      input_(std::move(setup.input)),
      output_(*transport_) {}

Result<> AesRecords::write(std::vector<Chunk>& plain) {
  std::size_t left = 0;
  for (const Chunk& chunk : plain) left += chunk.size();
  output_.expect(left + (left / record_size + 1) * overhead);
  for (std::size_t next = 0; next < plain.size();) {
    if (writing_.sequence() >= most_records)
      if (auto updated = update_writing_keys(); !updated) return updated;
    std::size_t most = std::min(left, record_size);
    const std::size_t rest = output_.rest();
    if (rest < most + overhead && rest >= least_cut + overhead) most = rest - overhead;
    std::array<Bytes, most_pieces> pieces;
    std::size_t count = 0, size = 0;
    std::size_t last = next;
    while (last < plain.size() && count < pieces.size() && size < most) {
      const Bytes piece = plain[last].bytes().first(std::min(plain[last].size(), most - size));
      pieces[count++] = piece;
      size += piece.size();
      if (piece.size() < plain[last].size()) break;
      ++last;
    }
    put(Type::application_data, std::span(pieces).first(count), size);
    left -= size;
    for (std::size_t i = 0; i < count; ++i) {
      plain[next].remove_prefix(pieces[i].size());
      if (plain[next].empty()) plain[next++] = Chunk();
    }
  }
  return {};
}

void AesRecords::write_close_notify() {
  constexpr std::array<std::uint8_t, 2> close_notify{1, 0};
  put(Type::alert, close_notify);
}

Result<> AesRecords::update_writing_keys() {
  constexpr std::array<std::uint8_t, 5> key_update{24, 0, 0, 1, 0};  // update_not_requested
  put(Type::handshake, key_update);
  if (writing_.update()) return {};
  return fail(ErrorKind::resource, "sending over TLS failed: no keys could be derived");
}

void AesRecords::put(Type type, std::span<const Bytes> pieces, std::size_t size) {
  const MutableBytes out = output_.room(size + overhead);
  const std::size_t length = size + 1 + aes_gcm_tag_size;
  // RFC 8446 §5.2: all protected records are application_data of TLS 1.2 from outside.
  const std::array<std::uint8_t, header_size> header{static_cast<std::uint8_t>(Type::application_data), 3, 3,
                                                     static_cast<std::uint8_t>(length >> 8),
                                                     static_cast<std::uint8_t>(length)};
  copy_bytes(header, out.data());
  const auto type_byte = static_cast<std::uint8_t>(type);
  std::array<Bytes, most_pieces + 1> all;
  std::ranges::copy(pieces, all.begin());
  all[pieces.size()] = Bytes(&type_byte, 1);
  writing_.aead().seal(out.data() + header_size, std::span(all).first(pieces.size() + 1),
                       writing_.next_nonce(), header);
  output_.added(size + overhead);
}

}  // namespace sallyport::tls
