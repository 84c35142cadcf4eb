// The page that lists a folder without an index.html.
#pragma once

#include "base/unique_fd.h"
#include "files/served_folder.h"

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace sallyport::files {

/// Further names are omitted, and the page says so.
inline constexpr std::size_t max_listed = 5000;

/// HTML with the names, sizes and dates of the served entries of `folder`, sub-folders first, then by name. A
/// symbolic link stands there as what it leads to, or not at all where a request would not follow it.
/// `folder`: an open folder of `served`; `relative`: its path there as in RequestPath. The error is an errno.
/// Waits for the disk.
std::expected<std::string, int> make_folder_page(const ServedFolder& served, UniqueFd folder,
                                                 const std::string& relative);

/// `text` with &, <, >, " and ' escaped for HTML text and attributes.
std::string escape_html(std::string_view text);

}  // namespace sallyport::files
