#include "trace/line_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::trace {
namespace {

// Large enough for efficient writes; holds unwritten lines while the sink is blocked.
constexpr std::size_t largest_buffer = 256 * 1024;

Time clock_now() {
  return std::chrono::steady_clock::now();
}

std::uint64_t lines_in(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

std::uint8_t* LineQueue::reserve(std::size_t size) {
  std::uint8_t* const room = ring_.reserve(size);
  if (room == nullptr) dropped_.fetch_add(1, std::memory_order_relaxed);
  return room;
}

void LineQueue::commit(std::size_t size) {
  const bool was_half_full = ring_.is_half_full();
  ring_.commit(size);
  // ring() is a system call: only for the first record, and when the queue becomes half full. An atomic
  // exchange, here and in may_sleep(): the later of the two sees the other's effect.
  const bool awaited = awaited_.exchange(false, std::memory_order_acq_rel);
  if (awaited || (!was_half_full && ring_.is_half_full())) alarm_.ring();
}

LineWriter::LineWriter(std::string what, std::unique_ptr<LineSink> sink, Format format,
                       LineWriterOptions options)
    : what_(std::move(what)),
      sink_(std::move(sink)),
      format_(std::move(format)),
      options_(options),
      cut_(sink_->begins_in_a_line()),
      mend_(cut_),
      thread_("lines", options.interval, alarm_, [this](bool last) { return round(last); }) {}

LineWriter::~LineWriter() = default;

LineQueue& LineWriter::add_queue() {
  LineQueue* added = nullptr;
  {
    const std::lock_guard lock(mutex_);
    added = queues_.emplace_back(std::make_unique<LineQueue>(options_.queue_bytes, alarm_)).get();
  }
  alarm_.ring();
  return *added;
}

void LineWriter::reopen() {
  reopen_.store(true, std::memory_order_release);
  alarm_.ring();
}

LineWriter::Counters LineWriter::counters() const {
  Counters counters{.written = written_.load(std::memory_order_relaxed),
                    .dropped_write = dropped_write_.load(std::memory_order_relaxed)};
  const std::lock_guard lock(mutex_);
  for (const auto& queue : queues_) counters.dropped_queue += queue->dropped_.load(std::memory_order_relaxed);
  return counters;
}

WriterThread::Left LineWriter::round(bool last) {
  adopt_queues();
  const bool reopening = reopen_.exchange(false, std::memory_order_acq_rel);
  const bool more = fill();
  const bool had_something = !buffer_.empty();
  flush(options_.interval);
  if (reopening) reopen_now();
  tell_overflow();
  if (last) {
    if (buffer_.empty()) return more ? WriterThread::Left::more : WriterThread::Left::nothing;
    if (!give_up_at_) give_up_at_ = clock_now() + options_.patience_at_end;
    if (clock_now() < *give_up_at_) return WriterThread::Left::more;
    give_up();
    return WriterThread::Left::nothing;
  }
  if (!buffer_.empty()) return WriterThread::Left::some;
  if (more) return WriterThread::Left::more;
  const bool was_idle = std::exchange(idle_, !had_something);
  return !had_something && was_idle && may_sleep() ? WriterThread::Left::nothing : WriterThread::Left::some;
}

void LineWriter::adopt_queues() {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = known_.size(); i < queues_.size(); ++i) known_.push_back(queues_[i].get());
}

/// Formats queued records, as many as the buffer holds. True: there are more.
bool LineWriter::fill() {
  for (std::size_t i = 0; i < known_.size(); ++i) {
    Ring& ring = known_[(first_queue_ + i) % known_.size()]->ring_;
    for (Bytes record = ring.front(); !record.empty(); record = ring.front()) {
      if (buffer_.size() >= largest_buffer) {
        first_queue_ += i;
        return true;
      }
      format_(record, buffer_);
      buffer_.push_back('\n');
      ring.pop();
    }
  }
  return false;
}

void LineWriter::flush(Duration patience) {
  if (buffer_.empty() || !mend()) return;
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const std::string_view rest = std::string_view(buffer_).substr(done);
    const auto [bytes, error] = sink_->write(rest, patience);
    done += bytes;
    written_.fetch_add(lines_in(rest.substr(0, bytes)), std::memory_order_relaxed);
    if (bytes > 0) cut_ = rest[bytes - 1] != '\n';
    if (error == 0 && bytes > 0) continue;
    buffer_.erase(0, done);
    if (error != EAGAIN) drop_buffer(error);
    return;
  }
  buffer_.clear();
}

/// Terminates an incomplete line before the next one. False: the sink is still blocked.
bool LineWriter::mend() {
  if (!mend_) return true;
  const auto [bytes, error] = sink_->write("\n", Duration::zero());
  if (bytes == 1) {
    mend_ = cut_ = false;
    return true;
  }
  if (error != EAGAIN) drop_buffer(error);
  return false;
}

void LineWriter::drop_buffer(int error) {
  dropped_write_.fetch_add(lines_in(buffer_), std::memory_order_relaxed);
  buffer_.clear();
  mend_ = cut_;
  if (failures_.allow(clock_now()))
    log_warn("cannot write the {} {}: {}; {} lines dropped so far, requests are not affected", what_,
             sink_->name(), std::strerror(error), dropped_write_.load(std::memory_order_relaxed));
}

void LineWriter::reopen_now() {
  const auto other = sink_->reopen();
  if (!other) return log_error("the {} {}", what_, other.error().message);
  if (!*other) return log_info("the {} {} was not reopened: it is the same file", what_, sink_->name());
  log_info("the {} {} was reopened", what_, sink_->name());
  // A line begun in the old file is not continued in the new one.
  if (cut_ && !buffer_.empty()) {
    const std::size_t end = buffer_.find('\n');
    buffer_.erase(0, end + 1);
    dropped_write_.fetch_add(1, std::memory_order_relaxed);
  }
  mend_ = cut_ = sink_->begins_in_a_line();
}

/// The queues are empty, and the next record rings.
bool LineWriter::may_sleep() {
  for (LineQueue* queue : known_) queue->awaited_.exchange(true, std::memory_order_acq_rel);
  return std::ranges::all_of(known_, [](LineQueue* queue) { return queue->ring_.front().empty(); });
}

void LineWriter::give_up() {
  std::uint64_t left = lines_in(buffer_);
  for (LineQueue* queue : known_)
    for (; !queue->ring_.front().empty(); queue->ring_.pop()) ++left;
  buffer_.clear();
  dropped_write_.fetch_add(left, std::memory_order_relaxed);
  log_warn("the {} {} accepts no writes: its last {} lines are dropped", what_, sink_->name(), left);
}

void LineWriter::tell_overflow() {
  std::uint64_t dropped = 0;
  for (const LineQueue* queue : known_) dropped += queue->dropped_.load(std::memory_order_relaxed);
  if (dropped == overflow_told_ || !overflows_.allow(clock_now())) return;
  overflow_told_ = dropped;
  log_warn("the {} {} is written too slowly, its queue is full: {} lines dropped so far", what_,
           sink_->name(), dropped);
}

}  // namespace sallyport::trace
