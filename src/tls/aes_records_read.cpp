// What AesRecords reads: RFC 8446 §5 and §6, and KeyUpdate (§4.6.3).
#include "tls/aes_records.h"
#include "tls/alert.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sallyport::tls {

enum class AesRecords::Alert : std::uint8_t {
  unexpected_message = 10,
  bad_record_mac = 20,
  record_overflow = 22,
  illegal_parameter = 47,
  decode_error = 50,
  internal_error = 80,
};

namespace {

constexpr std::size_t header_size = 5;
/// RFC 8446 §5.2: content, type and padding; and the expansion that a cipher may have.
constexpr std::size_t most_inner = record_size + 1, most_sealed = record_size + 256;
constexpr std::uint8_t alert_close_notify = 0, alert_user_canceled = 90;
/// Records without content that a client may send one after the other, as padding against traffic analysis.
constexpr unsigned most_empty_records = 64;
/// As GnuTLS has it: more than any client needs, and too few to keep a server busy.
constexpr unsigned most_key_updates_a_second = 8;

/// What records are opened into. One for all streams of a thread, so that idle ones hold none; another one
/// where a receiver kept the last (Chunk::share()), or a stream inside the stream reads from inside its
/// delivery.
class OpenedBuffer {
 public:
  OpenedBuffer() : chunk_(std::exchange(idle_, Chunk())) {
    if (chunk_.empty() || chunk_.is_shared()) chunk_ = Chunk::allocate(Chunk::pooled_size);
  }
  ~OpenedBuffer() { idle_ = std::move(chunk_); }
  OpenedBuffer(const OpenedBuffer&) = delete;
  OpenedBuffer& operator=(const OpenedBuffer&) = delete;
  Chunk& chunk() { return chunk_; }

 private:
  static inline thread_local Chunk idle_;
  Chunk chunk_;
};

std::size_t length_of(Bytes header) {
  return std::size_t{header[3]} << 8 | header[4];
}

}  // namespace

std::unexpected<Error> AesRecords::refuse(Alert alert, std::string_view what) {
  const std::array<std::uint8_t, 2> fatal{2, static_cast<std::uint8_t>(alert)};
  put(Type::alert, fatal);
  return fail(ErrorKind::tls, "receiving over TLS failed: " + std::string(what));
}

/// The next record, header and all, inside what came; valid until the next call. Nothing: it is not complete.
Result<std::optional<Bytes>> AesRecords::next_record() {
  const auto header = input_.front(header_size);
  if (!header) return std::nullopt;
  if ((*header)[0] != static_cast<std::uint8_t>(Type::application_data))
    return refuse(Alert::unexpected_message, "a record that is not protected came after the handshake");
  const std::size_t length = length_of(*header), size = header_size + length;
  if (length > most_sealed) return refuse(Alert::record_overflow, "a record is too long");
  if (length <= aes_gcm_tag_size) return refuse(Alert::bad_record_mac, "a record is too short");
  const auto record = input_.front(size);
  if (record) input_.skip(size);
  return record;
}

/// Decrypts `record` into `out`, which has room for all of it.
Result<AesRecords::Opened> AesRecords::open(Bytes record, MutableBytes out) {
  const Bytes header = record.first(header_size), sealed = record.subspan(header_size);
  if (!reading_.aead().open(out.data(), sealed, reading_.next_nonce(), header))
    return refuse(Alert::bad_record_mac, "a record failed authentication");
  const Bytes inner = Bytes(out).first(sealed.size() - aes_gcm_tag_size);
  if (inner.size() > most_inner) return refuse(Alert::record_overflow, "a record is too long");
  std::size_t end = inner.size();  // of the content, behind which are its type and zeros as padding
  while (end > 0 && inner[end - 1] == 0) --end;
  if (end == 0) return refuse(Alert::unexpected_message, "a record has no content type");
  return Opened{static_cast<Type>(inner[end - 1]), inner.first(end - 1)};
}

/// Records of content that are there are decrypted behind each other, and delivered in one piece.
Result<Records::Found> AesRecords::read(const std::function<void(Bytes)>& deliver) {
  OpenedBuffer buffer;
  const MutableBytes out = buffer.chunk().mutable_bytes();
  std::size_t used = 0;
  std::optional<Result<Found>> then;  // what comes of the record behind the content
  while (!then && out.size() - used >= most_sealed) {
    const auto record = next_record();
    if (!record) {
      then = std::unexpected(record.error());
    } else if (!*record) {
      if (used == 0) return Found::nothing;
      break;
    } else if (const auto opened = open(**record, out.subspan(used)); !opened) {
      then = std::unexpected(opened.error());
    } else if (opened->type == Type::application_data) {
      used += opened->content.size();
      empty_records_ = opened->content.empty() ? empty_records_ + 1 : 0;
      if (message_size_ > 0)
        then = refuse(Alert::unexpected_message, "a handshake message is interrupted");
      else if (empty_records_ > most_empty_records)
        then = refuse(Alert::unexpected_message, "too many records without content");
    } else if (opened->type == Type::alert) {
      then = take_alert(opened->content);
    } else if (opened->type == Type::handshake) {
      then = take_handshake(opened->content);
    } else {
      then = refuse(Alert::unexpected_message, "a record of an unknown type");
    }
  }
  if (used > 0) {
    const ChunkLoan loan(buffer.chunk());
    deliver(Bytes(out).first(used));
  }
  return then ? std::move(*then) : Result<Found>(Found::content);
}

Result<Records::Found> AesRecords::take_alert(Bytes content) {
  if (content.size() != 2) return refuse(Alert::decode_error, "a malformed alert");
  const unsigned description = content[1];
  if (description == alert_close_notify) return Found::end;
  if (description == alert_user_canceled) return Found::content;  // close_notify follows (RFC 8446 §6.1)
  return fail(ErrorKind::closed, peer_alert_text(description, AlertTime::later, AlertSender::client),
              description);
}

/// KeyUpdate alone (RFC 8446 §4.6): messages to a client, and what needs an agreement that we do not make,
/// are not expected.
Result<Records::Found> AesRecords::take_handshake(Bytes content) {
  if (content.empty()) return refuse(Alert::unexpected_message, "an empty handshake record");
  while (!content.empty()) {
    const std::size_t count = std::min(content.size(), message_.size() - message_size_);
    copy_bytes(content.first(count), message_.data() + message_size_);
    message_size_ += count;
    content = content.subspan(count);
    constexpr std::array<std::uint8_t, 4> key_update{24, 0, 0, 1};
    if (!std::ranges::equal(std::span(message_).first(std::min(message_size_, key_update.size())),
                            std::span(key_update).first(std::min(message_size_, key_update.size()))))
      return refuse(Alert::unexpected_message, "an unexpected handshake message");
    if (message_size_ < message_.size()) break;
    message_size_ = 0;
    // The keys change behind it (RFC 8446 §5.1).
    if (!content.empty()) return refuse(Alert::unexpected_message, "a handshake message spans a key change");
    if (auto taken = take_key_update(message_[4]); !taken) return std::unexpected(std::move(taken.error()));
  }
  return Found::content;
}

Result<> AesRecords::take_key_update(std::uint8_t request) {
  if (request > 1) return refuse(Alert::illegal_parameter, "a malformed KeyUpdate");
  const Time now = timers_.now();
  if (now - key_updates_since_ >= 1s) {
    key_updates_since_ = now;
    key_updates_ = 0;
  }
  if (++key_updates_ > most_key_updates_a_second)
    return refuse(Alert::unexpected_message, "too many key updates");
  if (!reading_.update()) return refuse(Alert::internal_error, "no keys could be derived");
  if (request == 0) return {};
  if (auto updated = update_writing_keys(); !updated) return updated;
  flush();
  return {};
}

}  // namespace sallyport::tls
