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

Lifetime::~Lifetime() {
  for (Guard* guard = innermost_; guard != nullptr; guard = guard->outer_) guard->lifetime_ = nullptr;
}

}  // namespace sallyport
