// RunGatherer: lays the UDP payloads that come out of a flow's HTTP datagrams end to end, so that a turn's
// payloads of one flow leave its socket in one system call (UDP_SEGMENT). One a worker, shared by its flows:
// a flow borrows a buffer only while something waits in it, so an idle flow holds none.
#pragma once

#include "base/bytes.h"
#include "net/datagram_path.h"
#include "net/timers.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace sallyport::masque {

class RunGatherer {
  struct Buffer;

 public:
  /// Added to where a path did not take what was gathered. Must outlive the gatherer.
  struct Drops {
    std::uint64_t queue = 0, size = 0;
  };
  /// A flow's place in the gatherer.
  class Lane {
   public:
    Lane() = default;
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

   private:
    friend class RunGatherer;
    net::DatagramPath* path_ = nullptr;
    Buffer* buffer_ = nullptr;
  };

  RunGatherer(net::Timers& timers, Drops& drops);
  ~RunGatherer();

  /// Copies `payload`; it leaves on `path` at the end of the turn, or before when the buffer is full or the
  /// sizes no longer make a run. Whoever calls this calls flush() before the lane or the path goes.
  void add(Lane& lane, net::DatagramPath& path, Bytes payload);
  /// Sends what waits.
  void flush(Lane& lane);

 private:
  // More flows than this in one turn, and the one that waited longest goes first: a burst over thousands of
  // flows takes 1 MiB, no more.
  static constexpr std::size_t max_buffers = 16;

  Buffer& borrow(Lane& lane, net::DatagramPath& path);
  void send(Buffer& buffer);

  Drops& drops_;
  net::Deferred flush_;
  std::vector<std::unique_ptr<Buffer>> free_, waiting_;
};

}  // namespace sallyport::masque
