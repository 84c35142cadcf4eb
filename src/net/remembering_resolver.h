// A Resolver that asks for each name once, for programs that make very many connections to few hosts: the
// system's would be asked for every one of them, and would refuse most. What was answered holds for as long
// as the object lives, so it is for runs that end, not for daemons.
#pragma once

#include "net/resolver.h"
#include "net/timers.h"

#include <memory>

namespace sallyport::net {

/// Asks `inner`. Who asks for a name whose answer is on its way waits for that one, whoever asked first; a
/// name that was not resolved is asked for again the next time. `timers` outlives the result.
std::unique_ptr<Resolver> make_remembering_resolver(Timers& timers, std::unique_ptr<Resolver> inner);

}  // namespace sallyport::net
