#!/usr/bin/env python3
"""Trains the bundled digits model and writes model.onnx, labels.txt and the example pictures beside this script.

Data: scikit-learn's own copy of the "Optical Recognition of Handwritten Digits" test set (UCI, E. Alpaydin and
C. Kaynak, 1998; CC BY 4.0): 1,797 pictures of 8 x 8 pixels, 16 grey levels, ink = high. It ships with the library.
Tools: Debian 12's python3-torch 1.13.1, python3-sklearn 1.2.1, python3-pil.

The model takes float32 image[n, 1, 8, 8] with ink 0 (paper) to 1 and answers float32 scores[n, 10] (logits).
Pictures for people are dark ink on white paper, so signature.yaml inverts: value = 1 - pixel / 255.
"""

import pathlib
import sys

import numpy
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).resolve().parent


def network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(32 * 4 * 4, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )


def shifted(images, generator):
    """Every picture moved by at most one pixel and slightly scaled in strength: people do not centre their digits."""
    moved = []
    for image in images:
        dy, dx = torch.randint(-1, 2, (2,), generator=generator).tolist()
        moved.append(torch.roll(image, shifts=(dy, dx), dims=(1, 2)))
    strength = 0.8 + 0.4 * torch.rand((len(images), 1, 1, 1), generator=generator)
    return (torch.stack(moved) * strength).clamp(0, 1)


def main():
    torch.manual_seed(7)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(7)
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    train, test = train_test_split(numpy.arange(len(labels)), test_size=0.25, random_state=7, stratify=digits.target)

    model = network()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    for epoch in range(60):
        order = torch.tensor(train)[torch.randperm(len(train), generator=generator)]
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(shifted(images[rows], generator)), labels[rows])
            loss.backward()
            optimiser.step()

    model.eval()
    with torch.no_grad():
        scores = model(images[test])
    accuracy = (scores.argmax(1) == labels[test]).float().mean().item()
    print(f"accuracy on {len(test)} held-out pictures: {accuracy:.4f}")
    if accuracy < 0.97:
        sys.exit("The model is worse than it should be; nothing was written.")

    torch.onnx.export(
        model, images[:1], str(HERE / "model.onnx"), opset_version=13, input_names=["image"], output_names=["scores"],
        dynamic_axes={"image": {0: "n"}, "scores": {0: "n"}},
    )
    (HERE / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))

    # One held-out picture a digit that the model is sure of, as dark ink on white paper, large enough to look at.
    sure = torch.softmax(scores, 1).max(1).values
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for digit, name in enumerate(names):
        rows = [i for i in range(len(test)) if labels[test[i]] == digit and scores[i].argmax() == digit]
        best = sorted(rows, key=lambda i: -sure[i].item())[len(rows) // 2]
        pixels = 255 - (images[test[best]][0].numpy() * 255).round().astype("uint8")
        Image.fromarray(pixels, "L").resize((128, 128), Image.Resampling.BICUBIC).save(HERE / "examples" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
