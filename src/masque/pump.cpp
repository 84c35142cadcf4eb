#include "masque/pump.h"

#include <cstddef>
#include <utility>

namespace sallyport::masque {

void Pump::start() {
  if (stopped_ || std::exchange(started_, true)) return;
  if (!give_held() || !started_) return;
  if (ended_) return end();
  held_back_ = to_.full();
  if (!held_back_) from_.set_reading(true);
}

void Pump::pause() {
  if (std::exchange(started_, false) && !stopped_) from_.set_reading(false);
}

void Pump::take(Bytes bytes) {
  if (stopped_) return from_.consume(bytes.size());
  // What is held goes first, also where the source has more from inside a call to the sink.
  if (!started_ || !held_.empty())
    held_.push_back(Chunk::share(bytes));
  else
    give(bytes);
}

/// False: this Pump is gone.
template <class Piece>
bool Pump::give(const Piece& piece) {
  const Lifetime::Guard guard(lifetime_);
  owed_ += piece.size();
  to_.write(piece);
  if (guard.gone()) return false;
  if (!stopped_) settle();
  return true;
}

/// False: this Pump is gone.
bool Pump::give_held() {
  std::size_t done = 0;
  while (started_ && done < held_.size()) {
    const Chunk piece = std::move(held_[done++]);
    if (!give(piece)) return false;
  }
  // stop() may have emptied it.
  if (!held_.empty()) held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(done));
  return true;
}

/// After the sink took something, or made room.
void Pump::settle() {
  if (to_.full()) {
    if (!std::exchange(held_back_, true)) from_.set_reading(false);
    return;
  }
  if (owed_ > 0) from_.consume(std::exchange(owed_, 0));
  if (started_ && std::exchange(held_back_, false)) from_.set_reading(true);
}

void Pump::end() {
  if (stopped_) return;
  ended_ = true;
  if (started_ && held_.empty() && !std::exchange(finished_, true)) to_.finish();
}

void Pump::resume() {
  if (!stopped_) settle();
}

void Pump::abort(const Error& why) {
  if (stopped_) return;
  stop();
  to_.abort(why);
}

void Pump::stop() {
  if (std::exchange(stopped_, true)) return;
  started_ = false;
  for (const Chunk& piece : held_) owed_ += piece.size();
  held_ = std::vector<Chunk>();
  if (owed_ > 0) from_.consume(std::exchange(owed_, 0));
}

}  // namespace sallyport::masque
