#include "http/h3_scheduler.h"

#include <bit>

namespace sallyport::http {

void H3Scheduler::insert_after(Level& level, H3Sender* before, H3Sender& sender) {
  sender.previous_ = before;
  sender.next_ = before != nullptr ? before->next_ : level.first;
  (sender.previous_ != nullptr ? sender.previous_->next_ : level.first) = &sender;
  (sender.next_ != nullptr ? sender.next_->previous_ : level.last) = &sender;
}

void H3Scheduler::unlink(Level& level, H3Sender& sender) {
  (sender.previous_ != nullptr ? sender.previous_->next_ : level.first) = sender.next_;
  (sender.next_ != nullptr ? sender.next_->previous_ : level.last) = sender.previous_;
}

void H3Scheduler::add(H3Sender& sender) {
  if (sender.scheduled_) return;
  sender.scheduled_ = true;
  Level& level = levels_[sender.priority_.urgency];
  busy_ |= static_cast<std::uint8_t>(1u << sender.priority_.urgency);
  // One that is not incremental goes before those of its kind that were asked for later; IDs mostly grow, so
  // this is short.
  H3Sender* before = level.last;
  if (!sender.priority_.incremental)
    while (before != nullptr && !before->priority_.incremental && before->id_ > sender.id_)
      before = before->previous_;
  insert_after(level, before, sender);
}

void H3Scheduler::remove(H3Sender& sender) {
  if (!sender.scheduled_) return;
  sender.scheduled_ = false;
  Level& level = levels_[sender.priority_.urgency];
  unlink(level, sender);
  if (level.first == nullptr) busy_ &= static_cast<std::uint8_t>(~(1u << sender.priority_.urgency));
}

void H3Scheduler::set_priority(H3Sender& sender, const Priority& priority) {
  const bool was_scheduled = sender.scheduled_;
  remove(sender);
  sender.priority_ = priority;
  if (was_scheduled) add(sender);
}

H3Sender* H3Scheduler::front() const {
  return busy_ == 0 ? nullptr : levels_[static_cast<std::size_t>(std::countr_zero(busy_))].first;
}

void H3Scheduler::rotate(H3Sender& sender) {
  if (!sender.scheduled_ || !sender.priority_.incremental) return;
  Level& level = levels_[sender.priority_.urgency];
  if (level.last == &sender) return;
  unlink(level, sender);
  insert_after(level, level.last, sender);
}

}  // namespace sallyport::http
