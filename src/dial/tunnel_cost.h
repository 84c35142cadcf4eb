// What the links inside a link tell of it: how much of its path budget their IP and UDP headers take, and
// what each of their datagrams costs. For Chain's figures.
#pragma once

#include "dial/link_figures.h"

#include <span>

namespace sallyport::dial {

/// Completes `link`'s path budget and costs by those of the links whose tunnels are on it.
void add_inside(LinkFigures& link, std::span<const LinkFigures> inside);

}  // namespace sallyport::dial
