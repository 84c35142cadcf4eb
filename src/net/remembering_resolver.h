// A Resolver that resolves each name once, for programs with very many connections to few hosts; a lookup for
// each would overload the system's resolver. Answers are cached for the object's lifetime, so it is for
// programs that end, not for daemons.
#pragma once

#include "net/resolver.h"
#include "net/timers.h"

#include <memory>

namespace sallyport::net {

/// Uses `inner`. Concurrent lookups of one name share one query. Failures are not cached. `timers` outlives
/// the result.
std::unique_ptr<Resolver> make_remembering_resolver(Timers& timers, std::unique_ptr<Resolver> inner);

}  // namespace sallyport::net
