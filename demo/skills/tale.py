"""Stories, about anything, about the user, or about whatever comes, and one more of what was."""

from demo.scene import Scene
from demo.skills.play import performed
from demo.stories import write_story
from demo.turns import Turn


def tell_story(scene: Scene) -> Turn:
    """The user asks for a story."""
    hero = scene.facts.get("name")
    roll = scene.rng.random()
    if hero is not None and roll < 0.35:
        return _told(scene, "story.me", write_story(scene.rng, scene.lang, hero=hero))
    if roll < 0.7:
        subject = scene.value("subject")
        return _told(scene, "story.about", write_story(scene.rng, scene.lang, subject=subject))
    topic = "story" if scene.last != "story" else "story.more"
    return _told(scene, topic, write_story(scene.rng, scene.lang))


def _told(scene: Scene, topic: str, story: str) -> Turn:
    scene.last = "story"
    head = f"{scene.rng.choice(scene.topic('story.head').answers)}\n" if scene.rng.random() < 0.4 else ""
    return Turn(scene.line(topic), scene.say(head + story))


def another(scene: Scene) -> Turn:
    """One more of the last kind: a story, a joke, a riddle."""
    if scene.last == "story":
        return _told(scene, "another", write_story(scene.rng, scene.lang))
    return Turn(scene.line("another"), performed(scene, scene.last or "joke"))
