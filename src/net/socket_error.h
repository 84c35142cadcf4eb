// What an errno of a socket call means, as an Error. Used by everything in net that opens a socket.
#pragma once

#include <string>

#include "base/result.h"

namespace sallyport::net {

/// "WHAT: the system's text", with the kind that fits `number` and, where there is one, the mend.
Error socket_error(const std::string& what, int number);

}  // namespace sallyport::net
