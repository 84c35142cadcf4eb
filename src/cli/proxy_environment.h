// The proxies that other programs take from their environment (https_proxy and the like). They are no MASQUE
// hops by themselves, so they are not used; but whoever set one should hear of it.
#pragma once

#include "dial/url.h"

#include <functional>
#include <optional>
#include <span>
#include <string>

namespace sallyport::cli {

/// A sentence for whoever set such a variable and asks for one of `urls` without --via; nothing where none is
/// set, or no_proxy excludes all of them. `variable` gives an environment variable's value, null when it is
/// not set.
std::optional<std::string> unused_proxy_note(std::span<const dial::Url> urls,
                                             const std::function<const char*(const char*)>& variable);

}  // namespace sallyport::cli
