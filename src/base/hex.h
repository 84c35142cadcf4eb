// Bytes as lower-case hexadecimal digits and back: connection IDs, keys and fingerprints in logs, traces and
// flags.
#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

std::string to_hex(Bytes bytes);
/// Either case of digit; nullopt for an odd number of them or anything else between.
std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);

}  // namespace sallyport
