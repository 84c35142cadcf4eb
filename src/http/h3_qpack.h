// QPACK (RFC 9204) by nghttp3. Our encoder uses the static table only: it then has no state, all connections
// of a thread share one, no stream of ours ever waits for another, and an idle connection holds no table. Our
// decoder takes whatever the peer's encoder likes.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "http/validation.h"
#include "quic/application.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <nghttp3/nghttp3.h>

namespace sallyport::http {

inline constexpr std::uint64_t qpack_table_capacity = 4096;
inline constexpr std::uint64_t qpack_blocked_streams = 100;

/// Encodes one field section at a time. add(), then encoded(), which starts the next.
class QpackEncoder {
 public:
  /// The thread's.
  static QpackEncoder& shared();
  QpackEncoder();
  ~QpackEncoder();
  QpackEncoder(const QpackEncoder&) = delete;
  QpackEncoder& operator=(const QpackEncoder&) = delete;

  void begin() { lines_.clear(); }
  /// Both views have to stay until encoded(). `name` in lower case.
  void add(std::string_view name, std::string_view value);
  /// Those that may_be_sent().
  void add(const Fields& fields);
  /// RFC 9114 §4.2.2, of what was added.
  std::size_t section_size() const;
  /// Valid until the next call.
  Bytes encoded();

 private:
  nghttp3_qpack_encoder* encoder_ = nullptr;
  nghttp3_buf prefix_{}, lines_buffer_{}, instructions_{};
  std::vector<nghttp3_nv> lines_;
  std::vector<std::uint8_t> section_;
};

/// A field section of one stream that waits for the peer's encoder stream.
struct QpackContextDeleter {
  void operator()(nghttp3_qpack_stream_context* context) const { nghttp3_qpack_stream_context_del(context); }
};
using QpackContext = std::unique_ptr<nghttp3_qpack_stream_context, QpackContextDeleter>;

class QpackDecoder {
 public:
  QpackDecoder();
  ~QpackDecoder();
  QpackDecoder(const QpackDecoder&) = delete;
  QpackDecoder& operator=(const QpackDecoder&) = delete;

  /// Decodes a whole section into `builder`; takes what it used off `section`. False: it is blocked;
  /// `context` is then to be given again with what is left, once is_ready() says so. An Error ends the
  /// connection.
  Result<bool> decode(quic::StreamId id, QpackContext& context, Bytes& section, HeadBuilder& builder);
  bool is_ready(const QpackContext& context) const;
  /// From the peer's encoder stream.
  Result<> read_encoder_stream(Bytes bytes);
  /// How many entries were put into the table.
  std::uint64_t insertions() const { return nghttp3_qpack_decoder_get_icnt(decoder_); }
  /// The rest of a stream will not be read.
  void cancel(quic::StreamId id);
  /// What our decoder stream has to say; empty for nothing. Takes it.
  std::vector<std::uint8_t> take_instructions();

 private:
  nghttp3_qpack_decoder* decoder_ = nullptr;
  bool table_used_ = false;  // the peer's encoder has a table to keep track of
};

/// Reads the peer's decoder stream. Since our encoder refers to no table, all it may say is that streams were
/// cancelled.
class QpackCancellations {
 public:
  Result<> read(Bytes bytes);

 private:
  bool in_number_ = false;
};

}  // namespace sallyport::http
