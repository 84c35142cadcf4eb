// Reads the URL of a backend, as --route has it: SCHEME://HOST[:PORT][#WEIGHT].
#pragma once

#include "base/result.h"
#include "config/route.h"

#include <string_view>

namespace sallyport::config {

/// An error of kind usage is part of a sentence: what is wrong, and the mend.
Result<Backend> parse_backend(std::string_view text);

}  // namespace sallyport::config
