// The page that lists a folder without an index.html.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::files {

/// Further names are omitted, and the page says so.
inline constexpr std::size_t max_listed = 5000;

/// HTML with the names, sizes and dates of the served entries of `folder` (an open folder), sub-folders
/// first, then by name. `relative`: its path as in RequestPath, for the title.
Result<std::string> make_folder_page(UniqueFd folder, std::string_view relative);

/// `text` with &, <, >, " and ' escaped for HTML text and attributes.
std::string escape_html(std::string_view text);

}  // namespace sallyport::files
