// The handler of exchanges that nobody wants any more: it lets go what still comes in, so that their owner
// may be destroyed first.
#pragma once

#include "http/exchange.h"

namespace sallyport::masque {

/// Has no state; good for any number of exchanges and lives as long as the program.
http::ExchangeHandler& exchange_sink();

}  // namespace sallyport::masque
