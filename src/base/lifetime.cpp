#include "base/lifetime.h"

namespace sallyport {

// Not inline: GCC 12 would warn of a pointer to a local variable that outlives it, not seeing the
// destructor's part.
Lifetime::Guard::Guard(Lifetime& lifetime) : lifetime_(&lifetime), outer_(lifetime.innermost_) {
  lifetime.innermost_ = this;
}

Lifetime::Guard::~Guard() {
  if (lifetime_ != nullptr) lifetime_->innermost_ = outer_;
}

Lifetime::Watch::Watch(Lifetime& lifetime) {
  enter(&lifetime);
}

Lifetime::Watch::Watch(const Watch& other) {
  enter(other.lifetime_);
}

Lifetime::Watch& Lifetime::Watch::operator=(const Watch& other) {
  if (this == &other) return *this;
  leave();
  enter(other.lifetime_);
  return *this;
}

Lifetime::Watch::~Watch() {
  leave();
}

void Lifetime::Watch::enter(Lifetime* lifetime) {
  lifetime_ = lifetime;
  before_ = nullptr;
  after_ = nullptr;
  if (lifetime_ == nullptr) return;
  after_ = lifetime_->watches_;
  if (after_ != nullptr) after_->before_ = this;
  lifetime_->watches_ = this;
}

void Lifetime::Watch::leave() {
  if (lifetime_ == nullptr) return;
  (before_ != nullptr ? before_->after_ : lifetime_->watches_) = after_;
  if (after_ != nullptr) after_->before_ = before_;
}

Lifetime::~Lifetime() {
  for (Guard* guard = innermost_; guard != nullptr; guard = guard->outer_) guard->lifetime_ = nullptr;
  for (Watch* watch = watches_; watch != nullptr; watch = watch->after_) watch->lifetime_ = nullptr;
}

}  // namespace sallyport
