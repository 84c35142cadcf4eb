// H3Scheduler: which stream sends next, by RFC 9218 §10: lower urgency first; within one, streams that are
// not incremental one after another by stream ID, incremental ones in turns.
#pragma once

#include "http/message.h"
#include "quic/application.h"

#include <array>
#include <cstdint>

namespace sallyport::http {

class H3OutQueue;

/// A stream that may be scheduled; a member or base of whoever sends on it.
class H3Sender {
 public:
  explicit H3Sender(const Priority& priority = {}) : priority_(priority) {}
  H3Sender(const H3Sender&) = delete;
  H3Sender& operator=(const H3Sender&) = delete;

  quic::StreamId id() const { return id_; }
  const Priority& priority() const { return priority_; }
  bool is_scheduled() const { return scheduled_; }

 protected:
  ~H3Sender() = default;
  quic::StreamId id_ = -1;

 private:
  friend class H3Scheduler;
  H3Sender* previous_ = nullptr;
  H3Sender* next_ = nullptr;
  Priority priority_;
  bool scheduled_ = false;
};

class H3Scheduler {
 public:
  /// Does nothing when it is scheduled already.
  void add(H3Sender& sender);
  /// Does nothing when it is not.
  void remove(H3Sender& sender);
  void set_priority(H3Sender& sender, const Priority& priority);
  /// Whose turn it is; null when nobody is scheduled.
  H3Sender* front() const;
  /// `sender`, the front, has sent something: the next incremental one gets its turn.
  void rotate(H3Sender& sender);

 private:
  struct Level {
    H3Sender* first = nullptr;
    H3Sender* last = nullptr;
  };
  static void insert_after(Level& level, H3Sender* before, H3Sender& sender);
  static void unlink(Level& level, H3Sender& sender);

  std::array<Level, 8> levels_{};
  std::uint8_t busy_ = 0;  // a bit for each level that is not empty
};

}  // namespace sallyport::http
