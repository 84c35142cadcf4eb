// TcpStream: a connected TCP socket as a ByteStream. Made by TcpListener and tcp_connect.
#pragma once

#include "base/lifetime.h"
#include "net/byte_stream.h"
#include "net/event_loop.h"
#include "net/fd_watch.h"
#include "net/tcp.h"

#include <vector>

namespace sallyport::net {

/// The receiver may destroy the stream in every callback.
class TcpStream final : public ByteStream, private FdWatcher {
 public:
  /// `watch` holds the connected socket. `counters`: not owned; may be null.
  TcpStream(EventLoop& loop, FdWatch watch, const SocketAddress& remote, TcpCounters* counters);
  ~TcpStream() override;

  void set_receiver(ByteStreamReceiver* receiver) override;
  void write(Chunk chunk) override;
  void write(Bytes bytes) override;
  std::size_t queued_bytes() const override { return queued_; }
  void finish() override;
  void close() override;
  void set_reading(bool on) override;
  NetPath net_path() const override { return path_; }

 private:
  void on_readable() override;
  void on_writable() override;
  void update_reading();
  void wrote(std::size_t count);
  void seal_gathered();
  int flush();
  void flush_or_fail();
  void drop_sent(std::size_t count);
  void fail(int error);

  FdWatch watch_;
  TcpCounters* const counters_;
  ByteStreamReceiver* receiver_ = nullptr;
  NetPath path_;
  std::vector<Chunk> queue_;  // from next_ on; what lies before it was sent
  std::size_t next_ = 0;
  std::size_t queued_ = 0;
  Chunk gathered_;  // coalesced small writes; appended to the queue before the next larger write
  std::size_t gathered_size_ = 0;
  Deferred flush_;
  Lifetime lifetime_;
  bool reading_ = true;
  bool peer_ended_ = false;
  bool finishing_ = false;
  bool finished_ = false;
  bool blocked_ = false;
  bool above_high_water_ = false;
};

}  // namespace sallyport::net
