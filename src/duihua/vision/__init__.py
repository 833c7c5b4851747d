"""Pictures from anywhere to a checked, bounded `duihua.image.Image`, and back to pixels; no tensor library.

`read` takes bytes, files and data URLs, `fetch` takes http and https (over `download`, which gets any file by the
same rules); `pixels` decodes. What cannot be taken is
`duihua.errors.InvalidImage`, whose `why` is one of these (`refusal.Why`):

    kind         its bytes are of no kind that is taken: JPEG, PNG, WebP, GIF, BMP, TIFF
    bytes        the file is larger than a picture may be
    pixels       it has more pixels than a picture may have
    side         it is wider or higher than a picture may be
    truncated    it ends early or is damaged: it does not decode to its end
    time         it takes longer to come, or would take longer to decode, than a picture may
    count        a request holds more pictures than it may
    total        the pictures of a request are larger together than they may be
    missing      there is no such file, or it cannot be read
    url          what was given is no URL that a picture can come from
    scheme       the URL is neither http nor https
    address      the URL leads to a place that is not to be reached from here
    redirects    the URL leads on and on
    status       the server did not answer with the picture
    connection   the server cannot be reached, its certificate does not hold, or it broke off

All of it is Pillow's work between checks of our own: a file's header is read before Pillow sees it.
"""
