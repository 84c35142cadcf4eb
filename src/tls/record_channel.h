// RecordChannel: a TLS session joined to the ByteStream under it. It passes received bytes to GnuTLS and
// collects the records that GnuTLS sends, many for each write. Part of tls::Handshake and tls::Stream; for
// this layer's own files.
#pragma once

#include "base/chunk.h"
#include "net/byte_stream.h"
#include "tls/record_buffers.h"
#include "tls/session.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sallyport::tls {

class RecordChannel : public Session {
 public:
  explicit RecordChannel(std::unique_ptr<net::ByteStream> transport)
      : transport_(std::move(transport)), output_(*transport_) {}

  /// Joins them, once the session is set up.
  void join();

  net::ByteStream& transport() { return *transport_; }
  const net::ByteStream& transport() const { return *transport_; }
  /// Releases the transport, to continue without TLS; this object is unusable then.
  std::unique_ptr<net::ByteStream> take_transport() { return std::move(transport_); }

  // Reading: GnuTLS reads the bytes given to `arrive` until `settle`, which keeps the unread ones.
  void arrive(Bytes bytes) { input_.arrive(bytes); }
  void settle() { input_.settle(); }
  /// Of settled input, what is unread; it is nobody's then.
  std::vector<std::uint8_t> take_input() { return input_.take_kept(); }
  bool has_input() const { return !input_.empty(); }
  std::size_t input_size() const { return input_.size(); }

  // Writing
  /// `plaintext` more bytes are about to be sent: sizes the next buffer.
  void expect(std::size_t plaintext);
  /// Passes the finished records to the transport.
  void flush() { output_.flush(); }

 private:
  void put(Bytes record);
  static ssize_t pull(gnutls_transport_ptr_t self, void* out, std::size_t size);
  static ssize_t push(gnutls_transport_ptr_t self, const giovec_t* parts, int count);

  std::unique_ptr<net::ByteStream> transport_;
  RecordInput input_;
  RecordOutput output_;
};

}  // namespace sallyport::tls
