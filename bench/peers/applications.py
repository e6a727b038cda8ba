# SPDX-License-Identifier: Apache-2.0
"""Writes networks of keras.applications as JSON files, without weights: applications.py FOLDER NAME…"""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import keras  # noqa: E402

NETWORKS = {
    "mobilenetv2-224": keras.applications.MobileNetV2,
    "efficientnetb0-224": keras.applications.EfficientNetB0,
    "resnet50-224": keras.applications.ResNet50,
}

for name in sys.argv[2:]:
    model = NETWORKS[name](weights=None, input_shape=(224, 224, 3), classes=10)
    with open(os.path.join(sys.argv[1], name + ".json"), "w") as file:
        file.write(model.to_json())
