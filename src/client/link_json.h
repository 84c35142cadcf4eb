// link_json(): what a connection of a chain measured, as the JSON of every command has it (docs/get.md,
// "Fields of --json").
#pragma once

#include "dial/link_figures.h"

#include <boost/json/object.hpp>

namespace sallyport::client {

boost::json::object link_json(const dial::LinkFigures& link);

}  // namespace sallyport::client
