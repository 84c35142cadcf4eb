// TcpStream: a program's end of a TcpConnection as a ByteStream. Behaves as net::TcpStream does over the
// kernel's; its connection's send buffer stands for the kernel's.
#pragma once

#include "base/chunk.h"
#include "base/lifetime.h"
#include "net/byte_stream.h"
#include "net/tcp.h"
#include "net/timers.h"

#include <cstddef>
#include <deque>

namespace sallyport::sim {

class TcpConnection;

/// Every callback of the receiver may destroy the stream.
class TcpStream final : public net::ByteStream {
 public:
  /// `counters`: not owned; may be null.
  TcpStream(net::Timers& timers, TcpConnection& connection, net::TcpCounters* counters);
  ~TcpStream() override;

  void set_receiver(net::ByteStreamReceiver* receiver) override;
  void write(Chunk chunk) override;
  void write(Bytes bytes) override { write(Chunk::copy_of(bytes)); }
  std::size_t queued_bytes() const override { return queued_; }
  void finish() override;
  void close() override;
  void set_reading(bool on) override;
  net::NetPath net_path() const override { return path_; }

  /// The connection has something for it, which is seen to at the end of the turn.
  void wake() { work_.request(); }

 private:
  void work();
  void flush();
  void read();
  bool is_listening() const { return reading_ && receiver_ != nullptr && !peer_ended_; }
  bool has_to_send() const { return !queue_.empty() || (finishing_ && !finished_); }
  void fail();

  TcpConnection* connection_;  // null once closed
  const net::NetPath path_;
  net::TcpCounters* const counters_;
  net::ByteStreamReceiver* receiver_ = nullptr;
  std::deque<Chunk> queue_;
  std::size_t queued_ = 0;
  net::Deferred work_;
  Lifetime lifetime_;
  bool reading_ = true;
  bool peer_ended_ = false;
  bool finishing_ = false;
  bool finished_ = false;
  bool above_high_water_ = false;
};

}  // namespace sallyport::sim
