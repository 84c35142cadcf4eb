// of_flag(): puts a flag before an error about its value. Used where flags are read and where their files are
// opened.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace sallyport {

inline std::unexpected<Error> of_flag(std::string_view flag, const Error& error) {
  return fail(error.kind, std::string(flag) + ": " + error.message, error.code);
}

}  // namespace sallyport
