#include "http/h3_scheduler.h"

#include <bit>

namespace sallyport::http {

/// With a null `at`, into an empty ring.
void H3Scheduler::insert_before(H3Sender* at, H3Sender& sender) {
  sender.next_ = at != nullptr ? at : &sender;
  sender.previous_ = at != nullptr ? at->previous_ : &sender;
  sender.previous_->next_ = &sender;
  sender.next_->previous_ = &sender;
}

void H3Scheduler::unlink(H3Sender*& first, H3Sender& sender) {
  sender.previous_->next_ = sender.next_;
  sender.next_->previous_ = sender.previous_;
  if (first == &sender) first = sender.next_ != &sender ? sender.next_ : nullptr;
}

void H3Scheduler::add(H3Sender& sender) {
  if (sender.scheduled_) return;
  sender.scheduled_ = true;
  Level& level = levels_[sender.priority_.urgency];
  busy_ |= static_cast<std::uint8_t>(1u << sender.priority_.urgency);
  if (sender.priority_.incremental) {
    insert_before(level.in_turns, sender);
    if (level.in_turns == nullptr) level.in_turns = &sender;
    ++level.sharing;
    return;
  }
  // Before those that were asked for later; IDs mostly grow, so this is short.
  H3Sender* at = level.in_order;
  while (at != nullptr && at->previous_->id_ > sender.id_) {
    at = at->previous_;
    if (at == level.in_order) break;
  }
  insert_before(at, sender);
  if (level.in_order == nullptr || (at == level.in_order && at->id_ > sender.id_)) level.in_order = &sender;
}

void H3Scheduler::remove(H3Sender& sender) {
  if (!sender.scheduled_) return;
  sender.scheduled_ = false;
  Level& level = levels_[sender.priority_.urgency];
  if (sender.priority_.incremental) {
    unlink(level.in_turns, sender);
    --level.sharing;
  } else {
    unlink(level.in_order, sender);
    level.passed = 0;  // what was short enough to need no rotate() had its turn, too
  }
  if (level.empty()) busy_ &= static_cast<std::uint8_t>(~(1u << sender.priority_.urgency));
}

void H3Scheduler::set_priority(H3Sender& sender, const Priority& priority) {
  const bool was_scheduled = sender.scheduled_;
  remove(sender);
  sender.priority_ = priority;
  if (was_scheduled) add(sender);
}

H3Sender* H3Scheduler::front() const {
  if (busy_ == 0) return nullptr;
  const Level& level = levels_[static_cast<std::size_t>(std::countr_zero(busy_))];
  if (level.in_turns == nullptr) return level.in_order;
  return level.in_order != nullptr && level.passed >= level.sharing ? level.in_order : level.in_turns;
}

void H3Scheduler::rotate(H3Sender& sender) {
  if (!sender.scheduled_) return;
  Level& level = levels_[sender.priority_.urgency];
  if (sender.priority_.incremental) {
    level.in_turns = sender.next_;
    ++level.passed;
  } else {
    level.passed = 0;
  }
}

}  // namespace sallyport::http
