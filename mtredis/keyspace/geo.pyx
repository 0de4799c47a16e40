# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Places in a sorted set: geohashes of 52 bits as scores, distances on the globe, and search in a circle or a box.

Idea: a place's score interleaves 26 bits of its latitude with 26 bits of its longitude, so places that share a prefix
lie in one cell of a grid, and the places in a cell have neighbouring scores. A search chooses the grid whose cells are
about as wide as what is looked for, looks through the cell of the centre and those around it that can hold a hit, each
a range of scores, and measures the distance to each place in them.

Owner: the executor. Nothing is kept.
Invariants: each formula, and the order of its operations, is the one that gives Redis's digits (spherical earth,
haversine); the cells are visited in its order, which is that of the hits.
Limits: latitudes reach to 85.05112878 degrees, as in web maps. Scores that are no geohash stand for some place, too.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport M_PI, asin, cos, fabs, sin, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset
from mtredis.keyspace.encoding.listpack cimport Element
from mtredis.keyspace.types.sorted_set cimport SortedSet, ZsetCursor, zset_next, zset_rank_of_score, zset_start
from mtredis.lib.numbers cimport INTEGER_TEXT_SIZE, integer_to_text

cdef extern from "math.h" nogil:
    long long llrint(double value)

cdef double DEGREE = M_PI / 180.0
cdef double EARTH_RADIUS = 6372797.560856       # metres
cdef double HALF_EQUATOR = 20037726.37
cdef double LATITUDE_MAX = 85.05112878
cdef double LONGITUDE_MAX = 180
cdef double INT64_BOUND = 9223372036854775808.0

cdef enum:
    STEPS_MAX = 26               # bits of each coordinate
    CELLS = 9

cdef uint64_t LONGITUDE_BITS = <uint64_t> 0xaaaaaaaaaaaaaaaa
cdef uint64_t LATITUDE_BITS = <uint64_t> 0x5555555555555555
cdef const char *ALPHABET = b"0123456789bcdefghjkmnpqrstuvwxyz"

cdef struct Cell:
    uint64_t bits
    int steps                    # 0: not to be searched

cdef struct Area:
    double west
    double south
    double east
    double north

cdef struct Shape:
    double longitude             # of the centre
    double latitude
    double radius                # as given, in units
    double width
    double height
    double unit                  # metres
    bint is_box


# Geohashes -------------------------------------------------------------------------------------------------------

cdef inline uint64_t spread(uint32_t value) noexcept nogil:
    """Bit i moves to bit 2 i."""
    cdef uint64_t bits = value
    bits = (bits | (bits << 16)) & <uint64_t> 0x0000ffff0000ffff
    bits = (bits | (bits << 8)) & <uint64_t> 0x00ff00ff00ff00ff
    bits = (bits | (bits << 4)) & <uint64_t> 0x0f0f0f0f0f0f0f0f
    bits = (bits | (bits << 2)) & <uint64_t> 0x3333333333333333
    return (bits | (bits << 1)) & LATITUDE_BITS


cdef inline uint32_t gather(uint64_t bits) noexcept nogil:
    """Bit 2 i moves to bit i."""
    bits &= LATITUDE_BITS
    bits = (bits | (bits >> 1)) & <uint64_t> 0x3333333333333333
    bits = (bits | (bits >> 2)) & <uint64_t> 0x0f0f0f0f0f0f0f0f
    bits = (bits | (bits >> 4)) & <uint64_t> 0x00ff00ff00ff00ff
    bits = (bits | (bits >> 8)) & <uint64_t> 0x0000ffff0000ffff
    return <uint32_t> (bits | (bits >> 16))


cdef uint64_t hash_of(double longitude, double latitude, int steps, double latitude_max) noexcept nogil:
    """The cell of a place; latitudes run from -latitude_max to latitude_max."""
    cdef double y = (latitude + latitude_max) / (latitude_max + latitude_max)
    cdef double x = (longitude + LONGITUDE_MAX) / (LONGITUDE_MAX + LONGITUDE_MAX)
    y *= <double> (<uint64_t> 1 << steps)
    x *= <double> (<uint64_t> 1 << steps)
    return spread(<uint32_t> y) | (spread(<uint32_t> x) << 1)


cdef Area area_of(Cell cell) noexcept nogil:
    cdef double cells = <double> (<uint64_t> 1 << cell.steps)
    cdef uint32_t y = gather(cell.bits)
    cdef uint32_t x = gather(cell.bits >> 1)
    cdef Area area
    area.south = -LATITUDE_MAX + (y * 1.0 / cells) * (LATITUDE_MAX + LATITUDE_MAX)
    area.north = -LATITUDE_MAX + (<uint32_t> (y + 1) * 1.0 / cells) * (LATITUDE_MAX + LATITUDE_MAX)
    area.west = -LONGITUDE_MAX + (x * 1.0 / cells) * (LONGITUDE_MAX + LONGITUDE_MAX)
    area.east = -LONGITUDE_MAX + (<uint32_t> (x + 1) * 1.0 / cells) * (LONGITUDE_MAX + LONGITUDE_MAX)
    return area


cdef uint64_t bits_of(double score) noexcept nogil:
    """The score as a geohash. Out of the range of 64 bits as an x86 processor converts it, which Redis relies on."""
    if score >= INT64_BOUND:
        score -= INT64_BOUND
        return (<uint64_t> 1 << 63) | <uint64_t> score if score < INT64_BOUND else 0
    if score < -INT64_BOUND:
        return <uint64_t> 1 << 63
    return <uint64_t> <int64_t> score


cdef void place_of(double score, double *longitude, double *latitude) noexcept nogil:
    """The middle of the smallest cell."""
    cdef Cell cell
    cdef Area area
    cell.bits = bits_of(score)
    cell.steps = STEPS_MAX
    area = area_of(cell)
    longitude[0] = within((area.west + area.east) / 2, LONGITUDE_MAX)
    latitude[0] = within((area.south + area.north) / 2, LATITUDE_MAX)


cdef inline double within(double value, double bound) noexcept nogil:
    if value > bound:
        return bound
    return -bound if value < -bound else value


# Distances -------------------------------------------------------------------------------------------------------

cdef inline double radians(double degrees) noexcept nogil:
    return degrees * DEGREE


cdef double meridian_distance(double latitude, double other) noexcept nogil:
    return EARTH_RADIUS * fabs(radians(other) - radians(latitude))


cdef double distance_of(
    double longitude, double latitude, double other_longitude, double other_latitude
) noexcept nogil:
    """Metres along the great circle."""
    cdef double v = sin((radians(other_longitude) - radians(longitude)) / 2)
    cdef double u, a, y, other_y
    if v == 0.0:
        return meridian_distance(latitude, other_latitude)
    y = radians(latitude)
    other_y = radians(other_latitude)
    u = sin((other_y - y) / 2)
    a = u * u + cos(y) * cos(other_y) * v * v
    return 2.0 * EARTH_RADIUS * asin(sqrt(a))


cdef bint is_inside(const Shape *shape, double longitude, double latitude, double *distance) noexcept nogil:
    """Whether a place lies in the shape; how far from its centre if it does."""
    if shape.is_box:
        if meridian_distance(latitude, shape.latitude) > shape.height * shape.unit / 2:
            return False
        if distance_of(longitude, latitude, shape.longitude, latitude) > shape.width * shape.unit / 2:
            return False
    distance[0] = distance_of(shape.longitude, shape.latitude, longitude, latitude)
    return shape.is_box or not (distance[0] > shape.radius * shape.unit)


# The cells of a search -------------------------------------------------------------------------------------------

cdef Area bounds_of(const Shape *shape) noexcept nogil:
    """The least area of the grid that holds the shape, measured where it is widest."""
    cdef double height = shape.unit * (shape.height / 2 if shape.is_box else shape.radius)
    cdef double width = shape.unit * (shape.width / 2 if shape.is_box else shape.radius)
    cdef double y = (height / EARTH_RADIUS) / DEGREE
    cdef double edge = shape.latitude - y if shape.latitude < 0 else shape.latitude + y
    cdef double x = (width / EARTH_RADIUS / cos(radians(edge))) / DEGREE
    cdef Area bounds
    bounds.west = shape.longitude - x
    bounds.east = shape.longitude + x
    bounds.south = shape.latitude - y
    bounds.north = shape.latitude + y
    return bounds


cdef int steps_for(double metres, double latitude) noexcept nogil:
    """Bits of a coordinate such that cells are about that wide."""
    cdef int steps = 1
    if metres == 0:
        return STEPS_MAX
    while metres < HALF_EQUATOR:
        metres *= 2
        steps += 1
    steps -= 2
    if latitude > 66 or latitude < -66:
        steps -= 1
        if latitude > 80 or latitude < -80:
            steps -= 1
    return min(max(steps, 1), STEPS_MAX)


cdef Cell moved(Cell cell, int east, int north) noexcept nogil:
    """The neighbour of a cell (-1, 0 or 1 in each direction), around the globe."""
    cdef uint64_t x = cell.bits & LONGITUDE_BITS
    cdef uint64_t y = cell.bits & LATITUDE_BITS
    cdef int unused = 64 - cell.steps * 2
    if east > 0:
        x += (LATITUDE_BITS >> unused) + 1
    elif east < 0:
        x = (x | (LATITUDE_BITS >> unused)) - ((LATITUDE_BITS >> unused) + 1)
    if east:
        x &= LONGITUDE_BITS >> unused
    if north > 0:
        y += (LONGITUDE_BITS >> unused) + 1
    elif north < 0:
        y = (y | (LONGITUDE_BITS >> unused)) - ((LONGITUDE_BITS >> unused) + 1)
    if north:
        y &= LATITUDE_BITS >> unused
    cell.bits = x | y
    return cell


cdef Cell *place_cells(const Shape *shape, int steps, Cell *cells) noexcept nogil:
    """The centre's cell and its neighbours, in the order of the search."""
    cells[0].bits = hash_of(shape.longitude, shape.latitude, steps, LATITUDE_MAX)
    cells[0].steps = steps
    cells[1] = moved(cells[0], 0, 1)
    cells[2] = moved(cells[0], 0, -1)
    cells[3] = moved(cells[0], 1, 0)
    cells[4] = moved(cells[0], -1, 0)
    cells[5] = moved(cells[0], 1, 1)
    cells[6] = moved(cells[0], -1, 1)
    cells[7] = moved(cells[0], 1, -1)
    cells[8] = moved(cells[0], -1, -1)
    return cells


cdef void drop(Cell *cells, int first, int second, int third) noexcept nogil:
    memset(&cells[first], 0, sizeof(Cell))
    memset(&cells[second], 0, sizeof(Cell))
    memset(&cells[third], 0, sizeof(Cell))


cdef void choose_cells(const Shape *shape, Cell *cells) noexcept nogil:
    """The cells that together hold all of the shape; those that cannot hold a part of it have no steps."""
    cdef Area bounds = bounds_of(shape)
    cdef double half_width = shape.width / 2, half_height = shape.height / 2
    cdef double reach = sqrt(half_width * half_width + half_height * half_height) if shape.is_box else shape.radius
    cdef int steps = steps_for(reach * shape.unit, shape.latitude)
    cdef Area area
    place_cells(shape, steps, cells)
    if steps > 1 and (area_of(cells[1]).north < bounds.north or area_of(cells[2]).south > bounds.south
                      or area_of(cells[3]).east < bounds.east or area_of(cells[4]).west > bounds.west):
        steps -= 1
        place_cells(shape, steps, cells)
    if steps < 2:
        return
    area = area_of(cells[0])
    if area.south < bounds.south:
        drop(cells, 2, 7, 8)
    if area.north > bounds.north:
        drop(cells, 1, 5, 6)
    if area.west < bounds.west:
        drop(cells, 4, 6, 8)
    if area.east > bounds.east:
        drop(cells, 3, 5, 7)


cdef list search_cell(SortedSet zset, Cell cell, const Shape *shape, uint64_t limit, list hits):
    """Adds the hits in a cell, until there are `limit` (0: all)."""
    cdef int unused = 52 - cell.steps * 2
    cdef double lowest = <double> (cell.bits << unused)
    cdef double beyond = <double> ((cell.bits + 1) << unused)
    cdef double score = 0, longitude = 0, latitude = 0, distance = 0
    cdef char digits[INTEGER_TEXT_SIZE]
    cdef ZsetCursor cursor
    cdef Element member
    cdef bytes text
    zset_start(zset.change.word, zset_rank_of_score(zset.change.word, lowest, False), False, &cursor)
    while zset_next(&cursor, &member, &score) and score < beyond:
        place_of(score, &longitude, &latitude)
        if is_inside(shape, longitude, latitude, &distance):
            if member.text == NULL:
                text = PyBytes_FromStringAndSize(digits, integer_to_text(digits, member.number))
            else:
                text = PyBytes_FromStringAndSize(member.text, member.length)
            hits.append((distance, score, text, longitude, latitude))
        if limit and <uint64_t> len(hits) >= limit:
            break
    return hits


# For handlers ----------------------------------------------------------------------------------------------------

def encode(double longitude, double latitude) -> float:
    """The score of a place whose coordinates are within their bounds."""
    return <double> hash_of(longitude, latitude, STEPS_MAX, LATITUDE_MAX)


def decode(double score) -> tuple[float, float]:
    """The longitude and the latitude that a score stands for."""
    cdef double longitude = 0, latitude = 0
    place_of(score, &longitude, &latitude)
    return longitude, latitude


def geohash(double score) -> bytes:
    """The 11 characters of the standard geohash, the last of which is always 0 for want of bits."""
    cdef char text[11]
    cdef double longitude = 0, latitude = 0
    cdef uint64_t bits
    cdef int i
    place_of(score, &longitude, &latitude)
    bits = hash_of(longitude, latitude, STEPS_MAX, 90)
    for i in range(10):
        text[i] = ALPHABET[(bits >> (52 - (i + 1) * 5)) & 31]
    text[10] = c"0"
    return PyBytes_FromStringAndSize(text, 11)


def distance(double score, double other) -> float:
    """Metres between the places of two scores."""
    cdef double longitude = 0, latitude = 0, other_longitude = 0, other_latitude = 0
    place_of(score, &longitude, &latitude)
    place_of(other, &other_longitude, &other_latitude)
    return distance_of(longitude, latitude, other_longitude, other_latitude)


def format_distance(double value) -> bytes:
    """A distance with four digits behind the point."""
    cdef double scaled = value * 10000.0
    if not -INT64_BOUND <= scaled < INT64_BOUND:
        return b"-922337203685477.5808"
    ten_thousandths = llrint(scaled)
    whole, rest = divmod(abs(ten_thousandths), 10000)
    return b"%s%d.%04d" % (b"-" if ten_thousandths < 0 else b"", whole, rest)


def search(SortedSet zset not None, double longitude, double latitude, double unit, double radius, double width,
           double height, uint64_t limit) -> list[tuple[float, float, bytes, float, float]]:
    """The members in a circle (or, with a negative radius, in a box) around a place, in the order of the cells:
    (metres from the centre, score, member, longitude, latitude). With `limit` the search ends at so many."""
    cdef Cell cells[CELLS]
    cdef Shape shape
    cdef list hits = []
    cdef int i, last = 0
    shape.longitude, shape.latitude, shape.unit = longitude, latitude, unit
    shape.radius, shape.width, shape.height = radius, width, height
    shape.is_box = radius < 0
    choose_cells(&shape, cells)
    for i in range(CELLS):
        if cells[i].bits == 0 and cells[i].steps == 0:
            continue
        # With huge cells neighbours are the same one.
        if last and cells[i].bits == cells[last].bits and cells[i].steps == cells[last].steps:
            continue
        if limit and <uint64_t> len(hits) >= limit:
            break
        search_cell(zset, cells[i], &shape, limit, hits)
        last = i
    return hits
