// ByteStream: an ordered, flow-controlled byte pipe. Real ones are TCP, TLS over any ByteStream, and a
// CONNECT exchange; tests use a pipe.
#pragma once

#include "base/bytes.h"
#include "base/chunk.h"
#include "base/result.h"
#include "net/address.h"

namespace sallyport::net {

class ByteStreamReceiver {
 public:
  /// Bytes are valid only during the call; Chunk::share() keeps them. May close the stream, but not destroy
  /// it, from inside.
  virtual void on_bytes(Bytes bytes) = 0;
  /// The peer finished sending in order (FIN, close_notify). Writing may go on.
  virtual void on_end() = 0;
  /// queued_bytes() fell to half of high_water after it had been above it.
  virtual void on_stream_writable() {}
  /// The stream failed; no further callback follows.
  virtual void on_stream_error(const Error& why) = 0;

 protected:
  ~ByteStreamReceiver() = default;
};

class ByteStream {
 public:
  /// At this many queued bytes a writer should pause until on_stream_writable.
  static constexpr std::size_t high_water = 256 * 1024;

  virtual ~ByteStream() = default;
  virtual void set_receiver(ByteStreamReceiver* receiver) = 0;
  /// Always takes all bytes; pause when queued_bytes() passes high_water. Writes of one turn of the loop are
  /// sent together.
  virtual void write(Chunk chunk) = 0;
  /// Copies `bytes` unless they are large and Chunk::share() knows their Chunk.
  virtual void write(Bytes bytes) = 0;
  virtual std::size_t queued_bytes() const = 0;
  /// Ends our direction (FIN, close_notify) after all written bytes.
  virtual void finish() = 0;
  /// Drops the stream at once; no callback follows. The peer sees an error (RST) unless all written bytes and
  /// our FIN were already sent: a truncated stream must not look complete. Destroying the stream is the same.
  virtual void close() = 0;
  /// While false, on_bytes is not called, and flow control stops the peer (back-pressure).
  virtual void set_reading(bool on) = 0;
  virtual NetPath net_path() const = 0;
};

}  // namespace sallyport::net
