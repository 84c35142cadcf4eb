// SendBatch: collects the packets that one flush writes and hands them to the path in runs of equal size
// (net::DatagramRun): one system call for each run. The buffer is shared by all connections of a thread.
#pragma once

#include "base/bytes.h"
#include "net/datagram_path.h"
#include "net/gso.h"

#include <cstddef>
#include <cstdint>

#include <ngtcp2/ngtcp2.h>

namespace sallyport::quic {

class SendBatch {
 public:
  /// A run is at most as long as one system call takes.
  static constexpr std::size_t max_run_bytes = net::max_gso_bytes;

  /// The destination of a run.
  class Sender {
   public:
    virtual net::SendStatus send_run(const net::NetPath& path, const net::DatagramRun& run) = 0;

   protected:
    ~Sender() = default;
  };

  explicit SendBatch(Sender& sender);
  ~SendBatch();
  SendBatch(const SendBatch&) = delete;
  SendBatch& operator=(const SendBatch&) = delete;

  /// Where the next packet of at most `size` bytes is to be written.
  MutableBytes room(std::size_t size);
  /// Filled in by ngtcp2 beside the packet.
  ngtcp2_path* path() { return &path_.path; }
  ngtcp2_pkt_info* info() { return &info_; }
  /// A packet of `size` bytes was written to room().
  void add(std::size_t size);
  /// Sends the collected packets.
  void flush();

  /// All bytes added.
  std::size_t total() const { return total_; }
  /// The path is blocked; add nothing more.
  bool blocked() const { return blocked_; }

 private:
  Sender& sender_;
  std::uint8_t* buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of the run being collected
  std::size_t segment_ = 0, count_ = 0, total_ = 0;
  bool blocked_ = false;
  ngtcp2_path_storage path_;
  ngtcp2_pkt_info info_{};
  net::NetPath run_path_;
  std::uint8_t run_ecn_ = 0;
};

}  // namespace sallyport::quic
