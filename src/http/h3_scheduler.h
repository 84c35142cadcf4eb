// H3Scheduler: which stream sends next, by RFC 9218 §10: lower urgency first; within one, streams that are
// not incremental one after another by stream ID, incremental ones in turns. Where there are both, those that
// are not incremental take one turn together.
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
  /// `sender`, the front, has sent something: the next one gets its turn.
  void rotate(H3Sender& sender);

 private:
  /// Rings: the last one is before the first.
  struct Level {
    H3Sender* in_order = nullptr;
    H3Sender* in_turns = nullptr;
    std::uint32_t sharing = 0;  // how many are in turns
    std::uint32_t passed = 0;   // turns of theirs since one of those in order
    bool empty() const { return in_order == nullptr && in_turns == nullptr; }
  };
  static void insert_before(H3Sender* at, H3Sender& sender);
  static void unlink(H3Sender*& first, H3Sender& sender);

  std::array<Level, 8> levels_{};
  std::uint8_t busy_ = 0;  // a bit for each level that is not empty
};

}  // namespace sallyport::http
