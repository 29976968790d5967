"""Which columns their names make identifiers: headers of public tables, and what a guess makes of such columns."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cfsearch.datasets.tables import Inference, infer_schema
from cfsearch.datasets.tables._names import names_identifiers, words_of

ROWS = 60


@pytest.mark.parametrize(
    ("header", "identifiers"),
    [
        ("age,workclass,fnlwgt,education,education.num,marital.status,race,sex,capital.gain,hours.per.week,native.country",
         # a year of school, 1 to 16: whole numbers that are not all different stay inputs, whatever their name
         "education.num"),
        ("status,duration,credit_history,purpose,amount,savings,employment_duration,installment_rate,personal_status_sex,"
         "other_debtors,present_residence,property,age,other_installment_plans,housing,number_credits,job,people_liable", ""),
        ("id,sex,age,age_cat,race,juv_fel_count,decile_score,priors_count,days_b_screening_arrest,c_case_number,"
         "c_charge_degree,r_case_number,num_r_cases,two_year_recid", "id,c_case_number,r_case_number"),
        ("ExternalRiskEstimate,MSinceOldestTradeOpen,NumSatisfactoryTrades,NumTrades60Ever2DerogPubRec,PercentTradesNeverDelq,"
         "MaxDelq2PublicRecLast12M,NumTotalTrades,NumInqLast6M,NetFractionRevolvingBurden,NumBank2NatlTradesWHighUtilization", ""),
        ("PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked", "PassengerId"),
        ("CRIM,ZN,INDUS,CHAS,NOX,RM,AGE,DIS,RAD,TAX,PTRATIO,B,LSTAT,MEDV,crim,nox,rm", ""),
        ("Date,Time,CO(GT),PT08.S1(CO),NMHC(GT),C6H6(GT),NOx(GT),NO2(GT),PT08.S4(NO2),PT08.S5(O3),T,RH,AH,NO2,NO,NOx", ""),
        ("No,year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM,station", ""),
        ("fixed acidity,volatile acidity,citric acid,residual sugar,chlorides,free sulfur dioxide,density,pH,alcohol,quality", ""),
        ("Pregnancies,Glucose,BloodPressure,SkinThickness,Insulin,BMI,DiabetesPedigreeFunction,Age,Outcome", ""),
        ("encounter_id,patient_nbr,race,time_in_hospital,num_lab_procedures,num_medications,number_outpatient,number_diagnoses",
         "encounter_id,patient_nbr"),
        ("age,job,marital,education,default,balance,contact,day,month,duration,campaign,pdays,previous,poutcome,nr.employed", ""),
        ("customerID,gender,SeniorCitizen,tenure,PhoneService,PaperlessBilling,MonthlyCharges,TotalCharges,Churn", "customerID"),
        ("RowNumber,CustomerId,Surname,CreditScore,NumOfProducts,HasCrCard,EstimatedSalary", "RowNumber,CustomerId"),
        ("EmployeeNumber,NumCompaniesWorked,StandardHours,DailyRate", "EmployeeNumber"),
        ("Serial No.,GRE Score,TOEFL Score,University Rating,SOP,CGPA,Research,Chance of Admit", "Serial No."),
        ("age,sex,cp,trestbps,chol,fbs,thalach,oldpeak,slope,ca,thal,num", ""),
        ("acousticness,danceability,key,loudness,mode,tempo,valence", ""),
    ],
    ids=["adult", "german", "compas", "heloc", "titanic", "boston", "air", "beijing", "wine", "pima", "hospital", "bank", "telco",
         "bank churn", "attrition", "admission", "heart", "songs"],
)  # fmt: skip
def test_names_of_identifiers_in_public_tables(header: str, identifiers: str) -> None:
    assert ",".join(name for name in header.split(",") if names_identifiers(name)) == identifiers


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("ID", True), ("id_client", True), ("ID Kunde", True), ("loan_ID 2", True), ("customerNo", True), ("Loan Key", True),
        ("Matricule", True), ("id_rate", False), ("id card age", False), ("No", False), ("number", False), ("key", False),
        ("NO2", False), ("no_2", False), ("annual NO 2", False), ("Num", False), ("2", False), ("", False), ("paid", False),
    ],
)  # fmt: skip
def test_words_decide_by_their_place(name: str, identifier: bool) -> None:
    assert names_identifiers(name) == identifier


def test_digits_are_no_part_of_the_words_of_a_name() -> None:
    assert words_of("NO2_x1 ageGroup") == ["no", "x", "age", "group"]


def different(seed: int) -> "np.typing.NDArray[np.int64]":
    return np.random.default_rng(seed).choice(10**6, ROWS, replace=False)


def guessed(folder: Path, *, columns: dict[str, object]) -> Inference:
    pd.DataFrame({**columns, "y": np.arange(ROWS) % 2}).to_csv(folder / "t.csv", index=False)
    return infer_schema(folder / "t.csv", target="y")


def test_quantities_under_names_near_those_of_identifiers_are_searched(tmp_path: Path) -> None:
    names = ("id_rate", "NO2", "number")
    found = guessed(tmp_path, columns={name: different(i) for i, name in enumerate((*names, "loan_id"))})
    assert found.schema.names == names and found.schema.ignore == ("loan_id",)
    assert not any(column.immutable for column in found.schema.columns)


def test_what_names_alone_make_identifiers_is_held_fixed_where_nothing_else_is_left(tmp_path: Path) -> None:
    notes = ["note " + str(number) for number in different(3)]
    found = guessed(
        tmp_path,
        columns={"row": range(ROWS), "nitric_no": different(0), "memo": notes, "room_no": different(1)},
    )
    assert found.schema.names == ("nitric_no", "room_no") and found.schema.ignore == ("row", "memo")
    assert all(column.immutable for column in found.schema.columns)
    assert (
        "nitric_no, room_no: another number in each row, under a name of identifiers, but no other column could be an input; "
        "it is held fixed (immutable), as it looks like an identifier."
    ) in found.notes
