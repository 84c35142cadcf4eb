#include "net/memory_stream.h"

#include <algorithm>
#include <array>
#include <deque>

namespace sallyport::net {
namespace {

struct Side {
  ByteStreamReceiver* receiver = nullptr;
  std::deque<Chunk> outgoing;
  std::size_t queued = 0;
  bool reading = false;
  bool was_above = false;      // queued passed high_water, on_stream_writable is owed
  bool finished = false;       // wants to end, or has ended, its direction
  bool end_delivered = false;  // the other side saw the end
  bool closed = false;
};

/// What both ends share; lives as long as either of them.
class Pipe : public std::enable_shared_from_this<Pipe> {
 public:
  Pipe(Timers& timers, const MemoryStreamOptions& options)
      : options_(options), move_(timers, [this](Time) { move(); }) {}

  std::array<Side, 2> sides;
  void want_move() { move_.request(); }

 private:
  void move() {
    const auto owner = shared_from_this();  // with the ends, which a callback may destroy
    deliver(sides[0], sides[1]);
    deliver(sides[1], sides[0]);
  }

  void deliver(Side& from, Side& to) {
    while (from.queued > 0 && ready(to)) {
      Chunk piece = from.outgoing.front().split_front(std::min(options_.piece, from.outgoing.front().size()));
      if (from.outgoing.front().empty()) from.outgoing.pop_front();
      from.queued -= piece.size();
      to.receiver->on_bytes(piece.bytes());
    }
    if (from.was_above && from.queued <= ByteStream::high_water / 2) {
      from.was_above = false;
      if (!from.closed && from.receiver != nullptr) from.receiver->on_stream_writable();
    }
    if (from.finished && from.queued == 0 && !from.end_delivered && ready(to)) {
      from.end_delivered = true;
      to.receiver->on_end();
    }
    const bool ended_in_order = from.end_delivered && to.end_delivered;
    if (from.closed && !to.closed && !ended_in_order && to.receiver != nullptr) {
      to.closed = true;
      to.receiver->on_stream_error({ErrorKind::closed, "the other end closed the stream"});
    }
  }

  static bool ready(const Side& side) { return side.reading && !side.closed && side.receiver != nullptr; }

  const MemoryStreamOptions options_;
  Deferred move_;
};

class End final : public ByteStream {
 public:
  End(std::shared_ptr<Pipe> pipe, std::size_t side) : pipe_(std::move(pipe)), self_(pipe_->sides[side]) {}
  ~End() override { close(); }

  void set_receiver(ByteStreamReceiver* receiver) override {
    self_.receiver = receiver;
    pipe_->want_move();
  }
  void write(Chunk chunk) override {
    if (self_.closed || self_.finished || chunk.empty()) return;
    self_.queued += chunk.size();
    self_.was_above = self_.was_above || self_.queued > high_water;
    self_.outgoing.push_back(std::move(chunk));
    pipe_->want_move();
  }
  void write(Bytes bytes) override { write(Chunk::copy_of(bytes)); }
  std::size_t queued_bytes() const override { return self_.queued; }
  void finish() override {
    self_.finished = true;
    pipe_->want_move();
  }
  void close() override {
    if (self_.closed) return;
    self_.closed = true;
    self_.receiver = nullptr;
    self_.outgoing.clear();
    self_.queued = 0;
    pipe_->want_move();
  }
  void set_reading(bool on) override {
    self_.reading = on;
    pipe_->want_move();
  }
  NetPath net_path() const override { return {}; }

 private:
  const std::shared_ptr<Pipe> pipe_;
  Side& self_;
};

}  // namespace

std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_memory_streams(
    Timers& timers, const MemoryStreamOptions& options) {
  const auto pipe = std::make_shared<Pipe>(timers, options);
  return {std::make_unique<End>(pipe, 0), std::make_unique<End>(pipe, 1)};
}

}  // namespace sallyport::net
