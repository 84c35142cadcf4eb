#include "masque/idle_timer.h"

#include <utility>

namespace sallyport::masque {

IdleTimer::IdleTimer(net::Timers& timers, Duration after, std::function<void()> on_idle)
    : timers_(timers), after_(after), timer_(timers, [on_idle = std::move(on_idle)](Time) { on_idle(); }) {}

}  // namespace sallyport::masque
