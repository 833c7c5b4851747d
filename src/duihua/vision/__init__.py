"""Pictures from anywhere to a checked, bounded `duihua.image.Image`, and back to pixels; no tensor library."""
