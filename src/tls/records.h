// Records: a tls::Stream's side of the record protocol, over the stream below. GnuTLS does it
// (gnutls_records.h), or, in what is most of a busy server's connections, this layer by itself
// (aes_records.h). Owned by the Stream, which decides when; for this layer's own files.
#pragma once

#include "base/chunk.h"
#include "base/result.h"
#include "net/byte_stream.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace sallyport::tls {

inline constexpr std::size_t record_size = 16384;  ///< most that a record carries (RFC 8446 §5.1)

class Records {
 public:
  virtual ~Records() = default;
  virtual net::ByteStream& transport() = 0;
  const net::ByteStream& transport() const { return const_cast<Records&>(*this).transport(); }

  // Reading: of what was given to arrive(), until settle(), which keeps what is unread.
  virtual void arrive(Bytes bytes) = 0;
  virtual void settle() = 0;
  /// read() may find something without more from the transport.
  virtual bool has_input() const = 0;
  enum class Found : std::uint8_t {
    content,  ///< deliver() was called, or the records had nothing to deliver: read again
    nothing,  ///< no record is complete
    end,      ///< close_notify
  };
  /// Takes the next record, or a few. An Error is the end; the alert that it calls for (RFC 8446 §6) was put
  /// before flush(). `deliver` may close the stream, but not destroy it.
  virtual Result<Found> read(const std::function<void(Bytes)>& deliver) = 0;

  // Writing, for flush() to pass on
  /// All of `plain`, which may be taken from and is to be cleared then.
  virtual Result<> write(std::vector<Chunk>& plain) = 0;
  virtual void write_close_notify() = 0;
  virtual void flush() = 0;
};

}  // namespace sallyport::tls
